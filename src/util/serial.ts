/** Runs tasks one after the other: at once when nothing runs and the task before did not have to wait for anything. */
export type Serial = (task: () => void | Promise<void>) => void;

/** `failed` gets what a task throws or rejects with; the next one runs all the same. */
export function createSerial(failed: (error: unknown) => void): Serial {
  const waiting: (() => void | Promise<void>)[] = [];
  let running = false;

  async function finish(task: Promise<void>): Promise<void> {
    try {
      await task;
    } catch (error) {
      failed(error);
    }
    running = false;
    next();
  }

  function next(): void {
    while (!running) {
      const task = waiting.shift();
      if (!task) return;
      running = true;
      try {
        const result = task();
        if (result) return void finish(result);
      } catch (error) {
        failed(error);
      }
      running = false;
    }
  }

  return (task) => {
    waiting.push(task);
    next();
  };
}
