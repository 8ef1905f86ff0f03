/**
 * The errors that Couplet throws on purpose. Each has a stable `code` to test for and a message that
 * says what is wrong (file, line or key) and what to do about it. Anything else that escapes is a bug.
 */

export type ErrorCode =
  | 'config' // a key or value of a configuration
  | 'data' // a text file, a vocabulary, a pair of files
  | 'shape' // tensors or options that do not fit together
  | 'limits' // the device cannot hold or bind what was asked for
  | 'no-adapter' // no WebGPU adapter could be opened
  | 'device-lost'
  | 'kernel' // a shader did not compile, or the device rejected a command
  | 'checkpoint' // a run folder or model file
  | 'diverged' // a loss or a gradient is no longer finite
  | 'aborted'
  | 'disposed' // a model, a plan or a tensor was used after its disposal
  | 'usage'; // the command line, or a call at a wrong moment

export class CoupletError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

export class ConfigError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('config', message, options);
  }
}

export class DataError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('data', message, options);
  }
}

export class ShapeError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('shape', message, options);
  }
}

export class LimitsError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('limits', message, options);
  }
}

export class AdapterError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('no-adapter', message, options);
  }
}

export class DeviceLostError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('device-lost', message, options);
  }
}

export class KernelError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('kernel', message, options);
  }
}

export class CheckpointError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('checkpoint', message, options);
  }
}

export class DivergedError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('diverged', message, options);
  }
}

export class DisposedError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('disposed', message, options);
  }
}

export class UsageError extends CoupletError {
  constructor(message: string, options?: ErrorOptions) {
    super('usage', message, options);
  }
}
