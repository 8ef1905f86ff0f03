/** The float32 tensors of a safetensors file by name: how the same weights reach every peer. */
import { readFileSync } from 'node:fs';

/** @returns {Map<string, { shape: number[], values: Float32Array }>} */
export function readWeights(file) {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...tensors } = JSON.parse(bytes.subarray(8, 8 + length).toString('utf8'));
  return new Map(
    Object.entries(tensors).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        if (dtype !== 'F32') throw new Error(`${name} is ${dtype}, not F32`);
        const start = 8 + length;
        // Copied, since a view must begin at a multiple of four.
        const values = new Float32Array(Uint8Array.from(bytes.subarray(start + from, start + to)).buffer);
        return [name, { shape, values }];
      },
    ),
  );
}
