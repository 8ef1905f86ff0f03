/**
 * The training step of `tiny` and `small` in TensorFlow.js: an LSTM encoder–decoder with dot attention (Luong et al. 2015),
 * whole target sequences at once (no input feeding), cross-entropy averaged over the tokens, Adam, no clipping.
 * `pytorch_model.py` is the same model in PyTorch, and `src/bench/configurations.ts` ours.
 *
 * What is in TensorFlow.js's favour: embeddings, targets and one-hot labels are made once and stay on the GPU, the loss is
 * read once a turn, and everything is tidied.
 */
import * as layers from '@tensorflow/tfjs-layers';
import { readWeights } from './safetensors.mjs';

/** A `TrainingTask` of `src/bench/bench.ts`; undefined where the model is not one of these. */
export async function prepareTraining(
  tf,
  { configuration, batch, weights: file, losses: lossCount, learningRate },
) {
  const { layers: depth, bidirectional, score, inputFeeding, sizes } = configuration;
  if (depth !== 1 || bidirectional || score !== 'dot' || inputFeeding) return undefined;
  const { B, S, T, E, H, V } = sizes;
  const stored = readWeights(file);
  const weight = (name) => {
    const { shape, values } = stored.get(name);
    return tf.tensor(values, shape);
  };
  const variable = (name, make) => tf.variable(tf.tidy(make), true, name);
  const transposed = (name) => tf.transpose(weight(name));

  /** Keras's gates are i, f, c, o like PyTorch's, its kernels [inputs, 4H], and it has one bias where PyTorch has two. */
  const lstm = (prefix) => {
    const layer = layers.layers.lstm({
      units: H,
      recurrentActivation: 'sigmoid', // Its default is hardSigmoid, another function.
      returnSequences: true,
      returnState: true,
      implementation: 2,
      // Overwritten below.
      kernelInitializer: 'zeros',
      recurrentInitializer: 'zeros',
      unitForgetBias: false,
    });
    tf.tidy(() => {
      layer.apply(tf.zeros([B, 1, E])); // makes its weights
      const bias = tf.add(weight(`${prefix}.bias_ih_l0`), weight(`${prefix}.bias_hh_l0`));
      layer.setWeights([transposed(`${prefix}.weight_ih_l0`), transposed(`${prefix}.weight_hh_l0`), bias]);
    });
    return layer;
  };
  const [encoder, decoder] = [lstm('encoder.rnn'), lstm('decoder.rnn')];
  const sourceTable = variable('sourceTable', () => weight('encoder.embedding.weight'));
  const targetTable = variable('targetTable', () => weight('decoder.embedding.weight'));
  const attentional = variable('attentional', () => transposed('decoder.attention.linear_out.weight'));
  const output = variable('output', () => transposed('decoder.output.weight'));
  const outputBias = variable('outputBias', () => weight('decoder.output.bias'));

  const ids = (values, steps) => tf.tidy(() => tf.transpose(tf.tensor2d(values, [steps, B], 'int32'))); // [B, steps]
  const source = ids(batch.source, S);
  const targetInput = ids(batch.targetInput, T);
  const labels = tf.tidy(() => {
    const flat = tf.reshape(ids(batch.targetOutput, T), [B * T]);
    return tf.cast(tf.oneHot(flat, V), 'float32');
  });

  const forward = () => {
    const [memory, h, c] = encoder.apply(tf.gather(sourceTable, source), { training: true });
    const [queries] = decoder.apply(tf.gather(targetTable, targetInput), {
      initialState: [h, c],
      training: true,
    });
    const scores = tf.softmax(tf.matMul(queries, memory, false, true)); // [B, T, S]
    const context = tf.matMul(scores, memory);
    const both = tf.reshape(tf.concat([context, queries], 2), [B * T, 2 * H]);
    const read = tf.tanh(tf.matMul(both, attentional));
    return tf.losses.softmaxCrossEntropy(labels, tf.fused.matMul({ a: read, b: output, bias: outputBias }));
  };

  // Keras's one bias stands for PyTorch's two, each of which Adam moves by as much: their sum moves twice as far.
  const biases = [encoder, decoder].map((layer) => layer.trainableWeights[2].val);
  const others = [
    ...[encoder, decoder].flatMap((layer) => layer.trainableWeights.slice(0, 2).map(({ val }) => val)),
    ...[sourceTable, targetTable, attentional, output, outputBias],
  ];
  const adam = (rate) => tf.train.adam(rate, 0.9, 0.999, 1e-8);
  const optimizers = [
    [adam(learningRate), others],
    [adam(2 * learningRate), biases],
  ];
  const step = () =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(forward, [...others, ...biases]);
      for (const [optimizer, variables] of optimizers) {
        optimizer.applyGradients(Object.fromEntries(variables.map(({ name }) => [name, grads[name]])));
      }
      return value;
    });
  const run = async (repeats) => {
    let loss;
    for (let i = 0; i < repeats; i++) {
      loss?.dispose();
      loss = step();
    }
    const [value] = await loss.data();
    loss.dispose();
    return value;
  };

  const losses = [];
  for (let i = 0; i < lossCount; i++) losses.push(await run(1));
  const release = () => tf.disposeVariables();
  return { answer: { losses }, run, release };
}
