/** A controller that also aborts when another signal does, until it is released. */
export class Linked extends AbortController {
  readonly release: () => void;

  constructor(other?: AbortSignal) {
    super();
    const follow = () => {
      this.abort(other?.reason);
    };
    if (other?.aborted) follow();
    other?.addEventListener("abort", follow, { once: true });
    this.release = () => other?.removeEventListener("abort", follow);
  }
}

/** What the work results in, or the signal's reason as an error if it aborts first. */
export async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      reject(signal.reason as Error);
    };
  });
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Waits for so many milliseconds, or until the signal aborts, whose reason is then thrown. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((done) => (timer = setTimeout(done, ms)));
  try {
    await (signal ? orAbort(over, signal) : over);
  } finally {
    clearTimeout(timer);
  }
}
