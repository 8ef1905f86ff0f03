/**
 * `openGpu` for browsers: takes the browser's adapter, or adopts a device that the page already has. Node's opener
 * (`../node/open-gpu.ts`) has the same shape and adds the choice among adapters.
 */
import { AdapterError } from '../errors.ts';
import { reportAdapter } from './adapter-report.ts';
import { Gpu, type Waiting } from './gpu.ts';
import { type DeviceOptions, messageOf, requestDevice } from './request-device.ts';
import type { Tuning } from './tuning.ts';

export type OpenGpuOptions = DeviceOptions & {
  /** A device to use instead of opening one. It stays the caller's: disposing the Gpu does not destroy it. */
  device?: GPUDevice;
  /** Which GPU where a machine has two; `high-performance` unless told otherwise. */
  powerPreference?: GPUPowerPreference;
  /** What an earlier probe (`probeMatmul`) found out about this device; without it rules choose among kernels. */
  tune?: Tuning;
};

const browserAdvice =
  "turn on hardware acceleration in the browser's settings, and see chrome://gpu (about:support in Firefox) for why the " +
  'GPU is not used';

/**
 * Opens the browser's GPU. Throws AdapterError where the browser has no WebGPU, offers no adapter, or offers one
 * below WebGPU's default limits.
 */
export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  const gpu = options.device ? adoptDevice(options.device) : await openOwn(options);
  gpu.tuning = options.tune;
  return gpu;
}

async function openOwn(options: OpenGpuOptions): Promise<Gpu> {
  // `navigator.gpu` is typed as always there; it is missing in older browsers and on insecure pages.
  const gpu = (globalThis.navigator as Partial<Navigator> | undefined)?.gpu;
  if (!gpu) throw new AdapterError(missingWebGpu(globalThis.isSecureContext));

  let adapter: GPUAdapter | null;
  try {
    adapter = await gpu.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' });
  } catch (cause) {
    throw new AdapterError(`the browser failed to look for a WebGPU adapter: ${messageOf(cause)}`, { cause });
  }
  if (!adapter) {
    throw new AdapterError(
      'this browser has WebGPU but offers no adapter: its GPU or driver is on the block list, or hardware ' +
        'acceleration is turned off. Turn it on in the settings, update the GPU driver, and see chrome://gpu ' +
        '(about:support in Firefox). Without a GPU, Chrome runs in software when it is started with ' +
        '--enable-unsafe-webgpu --use-webgpu-adapter=swiftshader',
    );
  }
  const advice = [browserAdvice];
  const offered = reportAdapter(adapter.info, adapter, 'browser', { advice });
  const device = await requestDevice(adapter, offered.name, options);
  return new Gpu(device, reportAdapter(adapter.info, device, 'browser', { advice }), true);
}

/** Wraps a device that belongs to somebody else: it is used, and never destroyed. */
export function adoptDevice(device: GPUDevice, waiting?: Waiting): Gpu {
  // `adapterInfo` is newer than `GPUDevice`: Chrome 131, Safari 26.
  const info = (device as Partial<GPUDevice>).adapterInfo ?? {};
  return new Gpu(device, reportAdapter(info, device, 'adopted'), false, waiting);
}

function missingWebGpu(secure: boolean | undefined): string {
  if (secure === false) {
    return (
      'this page has no WebGPU because it is not a secure context: ' +
      'serve it over https, or from http://localhost while developing'
    );
  }
  return (
    'this browser has no WebGPU (navigator.gpu is missing). Chrome and Edge have it from 113 on (Android 121; Linux ' +
    '144 on Intel and 147 on NVIDIA GPUs, else with --enable-unsafe-webgpu --use-angle=vulkan ' +
    '--enable-features=Vulkan,VulkanFromANGLE), Safari from 26 on, Firefox from 141 on (Windows) and 145 on (macOS 26 ' +
    'on Apple silicon), elsewhere Firefox Nightly. In Node, import couplet by its package name, which gives its Node build'
  );
}
