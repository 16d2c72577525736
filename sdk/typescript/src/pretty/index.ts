/**
 * Renders what the runtimes print for people.
 *
 * @module
 */
export { Printer } from "./printer.js";
