// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 2 });
const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** A count, short above a hundred thousand; a dash where there is none. */
export function count(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) < 100_000 ? whole.format(value) : short.format(value);
}

/** A measured number with four digits; a dash where there is none. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) < 100_000 ? digits.format(value) : short.format(value);
}

/** A time span given in seconds; a dash where there is none. */
export function span(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const two = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${two(Math.floor(seconds % 60))} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${two(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The unit in which times up to so many seconds are drawn. */
export function timeUnit(seconds) {
  if (seconds < 300) return { name: "seconds", seconds: 1 };
  if (seconds < 4 * 3600) return { name: "minutes", seconds: 60 };
  if (seconds < 96 * 3600) return { name: "hours", seconds: 3600 };
  return { name: "days", seconds: 86400 };
}

/** The bounds of a bucket of whole numbers. */
export function bounds({ from, to }) {
  return from === to ? `${from}` : `${from}–${to}`;
}
