/** A process that trains the toy model and prints what came out: the losses, and a hash of weights and moments. */
import { openGpu } from '../../src/node/open-gpu.ts';
import { hashOf, trainedToy } from '../setup/train-toy.ts';

const gpu = await openGpu({ adapter: process.argv[2]! });
const { tensors, losses } = await trainedToy(gpu, 1);
console.log(JSON.stringify({ hash: hashOf(tensors), losses }));
gpu.dispose();
