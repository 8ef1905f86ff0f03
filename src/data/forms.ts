/** What the two sides of a task's examples are, so that one path through the data serves all tasks. */

/**
 * `text`: tokens that end with `</s>`. `tokens`: tokens alone. `frames`: real-valued vectors, one a step. `label`: one
 * class. `tags`: one label for each source token. `none`: nothing (a language model has no source).
 */
export type SourceForm = 'text' | 'tokens' | 'frames' | 'label' | 'none';
export type TargetForm = 'text' | 'tags' | 'label';

export interface Forms {
  readonly source: SourceForm;
  readonly target: TargetForm;
}

/** Of encoder–decoders. */
export const textForms: Forms = { source: 'text', target: 'text' };

/** Whether a side's vocabulary is one of labels, without special tokens. */
export function isLabels(form: SourceForm | TargetForm): boolean {
  return form === 'label' || form === 'tags' || form === 'frames' || form === 'none';
}
