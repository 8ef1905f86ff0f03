/** The benchmark page: opens the device, runs what is chosen, and shows the rows as they come. */
import { describeAdapter, type Gpu, openGpu } from 'couplet';
import { type BenchRow, bench, benchNames, formatRoofline, formatTable } from 'couplet/bench';
import { byId, create } from './elements.ts';

const [name, sizes] = [byId<HTMLSelectElement>('name'), byId<HTMLSelectElement>('sizes')];
const run = byId<HTMLButtonElement>('run');
const [state, table] = [byId('state'), byId('table')];
name.append(...benchNames.map((one) => create('option', { textContent: one })));

async function measureChosen(gpu: Gpu): Promise<void> {
  const found: BenchRow[] = [];
  run.disabled = true;
  table.textContent = '';
  state.textContent = 'measuring the roofline…';
  try {
    const { roofline } = await bench(gpu, {
      names: name.value === '' ? [] : [name.value],
      sizes: sizes.value,
      onStart({ bench, title, done, cases }) {
        state.textContent = `${done + 1}/${cases}  ${bench.name}: ${title}`;
      },
      onRows(rows) {
        found.push(...rows);
        table.textContent = formatTable(found).join('\n');
      },
    });
    state.textContent = formatRoofline(roofline);
  } catch (error) {
    state.textContent = error instanceof Error ? error.message : String(error);
  } finally {
    run.disabled = false;
  }
}

try {
  const gpu = await openGpu();
  byId('device').textContent = describeAdapter(gpu.report);
  byId('form').addEventListener('submit', (event) => {
    event.preventDefault();
    void measureChosen(gpu);
  });
  run.disabled = false;
} catch (error) {
  byId('device').textContent = error instanceof Error ? error.message : String(error);
}
