import { describe, expect, test } from 'vitest';
import { adapterName, describeAdapter, isSoftware, reportAdapter } from '../../src/gpu/adapter-report.ts';

describe('names', () => {
  test.each([
    // What Dawn says on Vulkan, Metal and Direct3D …
    [{ vendor: 'google', architecture: 'swiftshader', device: 'swiftshader-device-subzero-' }, 'SwiftShader'],
    [{ vendor: 'mesa', device: 'llvmpipe-llvm-15-0-6-256-bits-' }, 'lavapipe (llvmpipe)'],
    [{ vendor: 'nvidia', device: 'nvidia-h200' }, 'NVIDIA H200'],
    [{ vendor: 'nvidia', device: 'nvidia-geforce-rtx-3090' }, 'NVIDIA GeForce RTX 3090'],
    [{ vendor: 'intel', device: 'intel-r-uhd-graphics-620-kbl-gt2-' }, 'Intel UHD Graphics 620 KBL GT2'],
    [{ vendor: 'apple', device: 'apple-m1-max' }, 'Apple M1 Max'],
    [
      { vendor: 'microsoft', device: 'microsoft-basic-render-driver' },
      'Microsoft Basic Render Driver (WARP)',
    ],
    // … and browsers, which hide the device from most pages.
    [{ vendor: 'google', architecture: 'swiftshader', device: '', description: '' }, 'SwiftShader'],
    [{ vendor: 'nvidia', architecture: 'ampere', device: '' }, 'NVIDIA Ampere'],
    [{ vendor: '', architecture: '', device: '', description: 'Some GPU' }, 'Some GPU'],
    [{}, 'an unnamed adapter'],
  ])('%o', (info, name) => {
    expect(adapterName(info)).toBe(name);
  });
});

describe('software', () => {
  test.each([
    [{ device: 'nvidia-h200', isFallbackAdapter: false }, false],
    [{ device: 'anything', isFallbackAdapter: true }, true],
    [{ vendor: 'google', architecture: 'swiftshader' }, true],
    [{ vendor: 'mesa', architecture: 'software', device: 'llvmpipe-llvm-15' }, true],
    [{ description: 'Microsoft Basic Render Driver' }, true],
    [{ description: 'a warped display' }, false],
    [{ device: 'microsoft-basic-render-driver' }, true],
    [{}, false],
  ])('%o: %s', (info, software) => {
    expect(isSoftware(info)).toBe(software);
  });
});

describe('a report', () => {
  // As in browsers: getters on the prototype, which JSON.stringify does not see.
  class Limits {
    get maxBufferSize() {
      return 7;
    }
  }
  Object.defineProperty(Limits.prototype, 'maxBufferSize', { enumerable: true });
  const offer = { features: new Set(['subgroups', 'shader-f16']), limits: new Limits() };

  test('is plain data', () => {
    const report = reportAdapter({ vendor: 'nvidia', device: 'nvidia-h200' }, offer, 'hardware', {
      backend: 'vulkan',
      advice: ['buy one'],
    });
    expect(JSON.parse(JSON.stringify(report))).toEqual({
      kind: 'hardware',
      name: 'NVIDIA H200',
      vendor: 'nvidia',
      architecture: '',
      device: 'nvidia-h200',
      description: '',
      backend: 'vulkan',
      source: 'hardware',
      features: ['shader-f16', 'subgroups'],
      limits: { maxBufferSize: 7 },
      advice: [],
    });
    expect(describeAdapter(report)).toBe('NVIDIA H200 (GPU, vulkan)');
  });

  test('of a software adapter says how to go faster', () => {
    const report = reportAdapter({ device: 'swiftshader' }, offer, 'swiftshader', {
      advice: ['buy one', 'rent one'],
    });
    expect(report.kind).toBe('software');
    expect(describeAdapter(report)).toBe(
      'SwiftShader (software, on the CPU). To go faster: buy one; or rent one',
    );
  });
});
