/** Where in an escape sequence a text is. */
enum Place {
  Outside,
  Returned, // after a carriage return
  Escaped, // after ESC
  Control, // in ESC [ …, to its final letter
  Message, // in ESC ] … and its like, to BEL, ESC \ or the line's end
  Closing, // after an ESC in a message
}

/**
 * Takes out of a text what a terminal would obey: escape sequences, control characters but
 * line feeds and tabs, and characters that turn the direction of writing.
 */
export class Cleaner {
  #in = Place.Outside;
  #split = ""; // the first half of a character

  /** What is harmless of the next piece of the text. */
  clean(piece: string): string {
    let text = this.#split + piece;
    this.#split = /[\ud800-\udbff]$/.exec(text)?.[0] ?? "";
    text = text.slice(0, text.length - this.#split.length);
    let out = "";
    for (const character of text) out += this.#add(character);
    return out;
  }

  #add(character: string): string {
    const was = this.#in;
    this.#in = Place.Outside;
    switch (was) {
      case Place.Outside:
        return this.#shown(character);
      case Place.Returned: // a line that was to be written over stays
        return character === "\n" ? "\n" : "\n" + this.#shown(character);
      case Place.Escaped:
        if (character === "[") this.#in = Place.Control;
        else if (/[\]PX^_]/.test(character)) this.#in = Place.Message;
        else if (/[ -/]/.test(character)) this.#in = Place.Escaped;
        else if (!/[!-~]/.test(character)) return this.#shown(character);
        return "";
      case Place.Control:
        if (/[ -?]/.test(character)) this.#in = Place.Control;
        else if (!/[@-~]/.test(character)) return this.#shown(character);
        return "";
      case Place.Message:
        if (character === "\x1b") this.#in = Place.Closing;
        else if (character === "\n") return "\n";
        else if (character !== "\x07" && character !== "\x9c") this.#in = Place.Message;
        return "";
      case Place.Closing:
        if (character === "\n") return "\n";
        if (character !== "\\") this.#in = Place.Message;
        return "";
    }
  }

  /** A character outside of escape sequences. */
  #shown(character: string): string {
    switch (character) {
      case "\n":
      case "\t":
        return character;
      case "\r":
        this.#in = Place.Returned;
        return "";
      case "\x1b":
        this.#in = Place.Escaped;
        return "";
      case "\x9b":
        this.#in = Place.Control;
        return "";
      case "\x90":
      case "\x98":
      case "\x9d":
      case "\x9e":
      case "\x9f":
        this.#in = Place.Message;
        return "";
    }
    return hidden.test(character) ? "" : character.replace(halves, "\ufffd");
  }
}

/** Control characters, and those that change the direction of what is written. */
const hidden = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/** Halves of characters without the other one. */
const halves = /^[\ud800-\udfff]$/;
