export interface MatmulShape {
  readonly m: number;
  readonly n: number;
  readonly batch: number;
  readonly software: boolean;
}
export function chooseMatmul({ m, n, batch }: MatmulShape) {
  return { kernel: 'matmul', entry: 'main', workgroups: [Math.ceil(n / 64), m, batch] } as const;
}
