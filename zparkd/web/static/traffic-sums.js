// The rows of a time, added up for the charts: by hour of the day, by day, or by what they are of.

const DAY_MS = 86_400_000;

/** The hours of a day, from 0 to 23, whatever day they are of. */
export function byHour(rows) {
  const hours = Array.from({ length: 24 }, (_, hour) => empty(`${hour}h`));
  for (const row of rows) add(hours[Number(row.key.slice(11, 13))] ?? empty(""), row);
  return hours;
}

/** Each day from the first to the last, also those on which nothing happened. */
export function byDay(rows, from, to) {
  const days = new Map();
  for (let day = from; day <= to; day = daysAfter(day, 1)) {
    const [, month, date] = day.split("-");
    days.set(day, empty(`${date}/${month}`));
  }
  for (const row of rows) {
    const day = days.get(row.key.slice(0, 10));
    if (day) add(day, row);
  }
  return [...days.values()];
}

/** What each key comes to, in whatever currencies; `name` says what a key is called. */
export function byKey(rows, name) {
  const keys = new Map();
  for (const row of rows) {
    if (!keys.has(row.key)) keys.set(row.key, empty(name(row.key)));
    add(keys.get(row.key), row);
  }
  return [...keys.values()];
}

/** How much was paid, as pairs of sum and currency. */
export function revenues(rows) {
  const sums = new Map();
  for (const row of rows) {
    if (row.revenue) sums.set(row.currency, (sums.get(row.currency) ?? 0) + row.revenue);
  }
  return [...sums].map(([currency, sum]) => [sum, currency]);
}

export function daysAfter(day, count) {
  return new Date(Date.parse(day) + count * DAY_MS).toISOString().slice(0, 10);
}

function empty(label) {
  return { label, entries: 0, exits: 0, revenue: 0, unmatched_exits: 0, unmatched: 0 };
}

function add(sum, row) {
  for (const name of Object.keys(sum)) {
    if (name !== "label") sum[name] += row[name];
  }
}
