import type { ProgressSink } from '../../spec/engine/progress.ts';
import type { ProgressLine, StepOutput } from './job.ts';

/** What a pull or push tells, as lines below a step: one for each layer whose bytes are counted. */
export function transferLines(output: StepOutput): { readonly progress: ProgressSink; readonly done: () => void } {
  const lines = new Map<string, ProgressLine>();
  return {
    progress({ id, progressDetail }) {
      if (id === undefined || progressDetail?.current === undefined) return;
      const line = lines.get(id) ?? output.line(id);
      lines.set(id, line);
      line.progress(progressDetail.current, progressDetail.total);
    },
    done() {
      for (const line of lines.values()) line.done();
    },
  };
}
