import { isObject } from "../errors.js";

/** The fields of an object that somebody else has made: what is not as expected is as if it were not there. */
export class Fields {
  readonly #object: Record<string, unknown>;

  constructor(object: Record<string, unknown>) {
    this.#object = object;
  }

  /** The object as JSON. */
  get json(): string {
    return JSON.stringify(this.#object);
  }

  text(name: string): string {
    const value = this.#object[name];
    return typeof value === "string" ? value : "";
  }

  number(name: string): number {
    const value = this.#object[name];
    return typeof value === "number" ? value : 0;
  }

  yes(name: string): boolean {
    return this.#object[name] === true;
  }

  /** The object in a field, an empty one without it. */
  in(name: string): Fields {
    return this.maybe(name) ?? new Fields({});
  }

  maybe(name: string): Fields | undefined {
    const value = this.#object[name];
    return isObject(value) ? new Fields(value) : undefined;
  }

  /** The objects in a list. */
  all(name: string): Fields[] {
    return this.list(name)
      .filter(isObject)
      .map((object) => new Fields(object));
  }

  list(name: string): unknown[] {
    const value = this.#object[name];
    return Array.isArray(value) ? value : [];
  }
}

/** The fields of a line, if it is an object. */
export function fieldsOf(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? new Fields(value) : undefined;
  } catch {
    return undefined;
  }
}
