/** One way in which a stored value may come back as another. */
export interface Spoilt {
  readonly what: string;
  readonly kind: 'flipped' | 'cut' | 'dropped' | 'changed';
  readonly value: unknown;
}

/** Bytes: each byte flipped, and cut off at each length. Objects: each field dropped or changed, however deep. */
export function* spoil(value: unknown, at = ''): Generator<Spoilt> {
  if (value instanceof Uint8Array) {
    for (const [index, byte] of value.entries()) {
      const flipped = value.slice();
      flipped[index] = byte ^ (1 << (index % 8));
      yield { what: `${at} byte ${index}`, kind: 'flipped', value: flipped };
    }
    for (let length = 0; length < value.length; length++) {
      yield { what: `${at} cut at ${length}`, kind: 'cut', value: value.slice(0, length) };
    }
  } else if (value instanceof Map) {
    for (const [key, inner] of value) {
      yield { what: `${at}.${String(key)}`, kind: 'dropped', value: new Map([...value].filter(([other]) => other !== key)) };
      for (const spoilt of spoil(inner, `${at}.${String(key)}`)) yield { ...spoilt, value: new Map([...value, [key, spoilt.value]]) };
    }
    yield { what: at, kind: 'changed', value: {} };
  } else if (Array.isArray(value)) {
    for (const [index, inner] of value.entries()) {
      yield { what: `${at}[${index}]`, kind: 'dropped', value: value.toSpliced(index, 1) };
      for (const spoilt of spoil(inner, `${at}[${index}]`)) yield { ...spoilt, value: value.with(index, spoilt.value) };
    }
    yield { what: at, kind: 'changed', value: null };
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      const rest = Object.fromEntries(Object.entries(value).filter(([other]) => other !== key));
      yield { what: `${at}.${key}`, kind: 'dropped', value: rest };
      for (const spoilt of spoil(inner, `${at}.${key}`)) yield { ...spoilt, value: { ...value, [key]: spoilt.value } };
    }
    yield { what: at, kind: 'changed', value: undefined };
  } else {
    const changed =
      typeof value === 'number' ? value + 1 : typeof value === 'string' ? `${value}x` : typeof value === 'boolean' ? !value : 1;
    yield { what: at, kind: 'changed', value: changed };
  }
}
