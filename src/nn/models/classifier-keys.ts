/** The keys of the sequence classifier. */
import { choice, fraction, type Section, scope } from '../config/spec.ts';
import { type CommonConfig, cellKeys, initializationKeys, typeKey } from './common-keys.ts';
import { type EncoderConfig, encoderSection } from './stack-keys.ts';

export type Pooling = 'last' | 'mean' | 'max' | 'attention-pooled';
export type ClassWeights = 'none' | 'balanced';

export interface ClassifierConfig extends CommonConfig {
  type: 'classifier';
  encoder: EncoderConfig;
  /** How the encoder's states become one vector. */
  pooling: Pooling;
  /** Dropout on that vector. */
  hidden_dropout: number;
  class_weights: ClassWeights;
}

export const classifierSection: Section<ClassifierConfig> = scope<ClassifierConfig>(
  'A sequence classifier (N→1): one class for a whole sequence.',
  {
    type: typeKey('classifier'),
    ...cellKeys,
    encoder: encoderSection('Reads the sequence.'),
    pooling: choice(['last', 'mean', 'max', 'attention-pooled'], {
      default: 'last',
      doc: 'What is classified: the last state (of both directions), or of all states the mean, the maximum, or a mean weighted by a learned query.',
    }),
    hidden_dropout: fraction('Dropout on the pooled vector, before the projection to the classes.'),
    class_weights: choice(['none', 'balanced'], {
      default: 'none',
      doc: "How much an example of a class counts in the loss: all the same, or `balanced`: examples / (classes · examples of the class), as scikit-learn's. The loss is averaged over the weights, as PyTorch does.",
    }),
    ...initializationKeys,
  },
);
