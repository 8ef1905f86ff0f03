/** The page: opens the device, and ties buttons, figures, samples and the attention picture to a `Training`. */
import {
  AdapterError,
  DisposedError,
  describeAdapter,
  type FitReport,
  type Gpu,
  openGpu,
  type Sample,
  type ValidationReport,
} from 'couplet';
import { drawAttention } from './attention-map.ts';
import { LossChart } from './chart.ts';
import { byId, create } from './elements.ts';
import { type Task, tasks } from './tasks.ts';
import { Training } from './training.ts';

const start = byId<HTMLButtonElement>('start');
const stop = byId<HTMLButtonElement>('stop');
const restart = byId<HTMLButtonElement>('restart');
const input = byId<HTMLInputElement>('input');
const state = byId('state');
const chart = new LossChart(byId('chart'));
const decimals = new Intl.NumberFormat('en', { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

let training: Training | undefined;

function showTrouble(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  byId('trouble').hidden = false;
  byId('trouble-message').textContent = message;
  if (error instanceof AdapterError) byId('workbench').hidden = true;
  else byId('trouble').querySelector('h2')!.textContent = 'Something went wrong';
}

function showButtons(): void {
  const running = training?.running === true;
  const begun = (training?.updates ?? 0) > 0;
  start.disabled = running || !training;
  start.textContent = begun ? 'Continue' : 'Train';
  stop.disabled = !running;
  restart.disabled = !begun;
}

/** A new model for a task; the old one goes, whatever it is doing. */
function choose(gpu: Gpu, task: Task): void {
  training?.dispose();
  training = new Training(gpu, task);
  byId('task-description').textContent = task.description;
  chart.clear();
  for (const id of ['loss', 'right', 'speed']) byId(id).textContent = '–';
  byId('updates').textContent = '0';
  byId('samples').replaceChildren();
  byId('samples-note').hidden = false;
  byId('attention').replaceChildren();
  byId('output').textContent = '';
  state.textContent = '';
  showButtons();
}

async function train(): Promise<void> {
  const own = training;
  if (!own || own.running) return;
  state.textContent = own.updates === 0 ? 'preparing…' : 'training…';
  const run = own.run((report) => {
    if (own === training) show(report);
  });
  showButtons();
  try {
    const { reason, update } = await run;
    if (own !== training) return;
    state.textContent = reason === 'aborted' ? `stopped after update ${update}` : `done: ${update} updates`;
  } catch (error) {
    if (own === training || !(error instanceof DisposedError)) showTrouble(error);
  } finally {
    if (own === training) showButtons();
  }
}

function show(report: FitReport): void {
  byId('updates').textContent = whole.format(report.update);
  if (report.kind === 'validation') {
    chart.add(report.update, report.loss, 'heldOut');
    showSamples(report);
    void ask();
    return;
  }
  chart.add(report.update, report.loss, 'training');
  byId('loss').textContent = decimals.format(report.loss);
  byId('speed').textContent = whole.format(report.tokens / report.seconds);
  state.textContent = `epoch ${report.epoch}`;
  showButtons();
}

function showSamples({ samples, scores }: ValidationReport): void {
  byId('samples-note').hidden = true;
  byId('right').textContent = `${whole.format(100 * (scores.sequence_accuracy ?? 0))} %`;
  byId('samples').replaceChildren(...samples.map(row));
}

function row({ source, reference, hypothesis }: Sample): HTMLTableRowElement {
  const right = hypothesis === reference;
  return create(
    'tr',
    {},
    create('td', { textContent: source }),
    create('td', { textContent: reference }),
    create('td', { textContent: hypothesis, className: right ? 'right' : 'wrong' }),
  );
}

/** Answers what stands in the input box, also while training goes on. */
async function ask(): Promise<void> {
  const own = training;
  const text = input.value.trim();
  if (!own || text === '') return;
  try {
    const answer = await own.ask(text);
    if (own !== training || text !== input.value.trim()) return;
    byId('output').textContent = answer.text || '(nothing)';
    byId('attention').replaceChildren(drawAttention(answer));
  } catch (error) {
    if (!(error instanceof DisposedError)) showTrouble(error);
  }
}

function offerTasks(gpu: Gpu): void {
  const all = tasks.map((make) => make());
  const choices = all.map((task, index) => {
    const radio = create('input', { type: 'radio', name: 'task', value: task.id, checked: index === 0 });
    radio.addEventListener('change', () => {
      input.value = task.example;
      choose(gpu, task);
    });
    return create('label', {}, radio, document.createTextNode(task.name));
  });
  byId('tasks').replaceChildren(...choices);
  input.value = all[0]!.example;
  choose(gpu, all[0]!);
}

async function main(): Promise<void> {
  const device = byId('device');
  try {
    const gpu = await openGpu();
    const { kind, name } = gpu.report;
    device.dataset.kind = kind;
    device.textContent = kind === 'hardware' ? name : `${name}: software, slow`;
    device.title = describeAdapter(gpu.report);
    void gpu.device.lost.then(({ message }) =>
      showTrouble(new Error(`The GPU was lost. ${message} Reload the page.`)),
    );
    start.addEventListener('click', () => void train());
    stop.addEventListener('click', () => {
      training?.stop();
      state.textContent = 'stopping…';
    });
    restart.addEventListener('click', () => {
      if (training) choose(gpu, training.task);
    });
    byId('try').addEventListener('submit', (event) => {
      event.preventDefault();
      void ask();
    });
    offerTasks(gpu);
  } catch (error) {
    device.dataset.kind = 'none';
    device.textContent = 'no GPU';
    showTrouble(error);
  }
}

await main();
