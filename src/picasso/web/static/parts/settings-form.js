/** A visualization's settings: a form made from the JSON schema of its Settings class. */

import { coded, fill, freshId, h } from "../dom.js";
import { extentField, numberField, placeField, segmentedField, selectField, severalField, switchField, textField } from "./fields.js";

/**
 * @typedef {object} Field
 * @property {HTMLElement} element the control
 * @property {string} focusId id of what gets the focus
 * @property {() => any} value
 * @property {(value: any) => void} set
 * @property {boolean} [group] whether the control is several inputs
 */

const SEGMENTS_UP_TO = 5;

/**
 * @param {any} schema JSON schema of an object
 * @returns {[string, string][]} the settings without which there is nothing to see, and what each names: "album"
 */
export function neededPlaces(schema) {
  return Object.entries(schema?.properties ?? {}).filter(([, one]) => /** @type {any} */ (one).picasso?.required)
    .map(([name, one]) => [name, /** @type {any} */ (one).picasso.choices]);
}

/** Events: "change" when a value changed. */
export class SettingsForm extends EventTarget {
  /** @param {HTMLElement} place */
  constructor(place) {
    super();
    this.place = place;
    /** @type {Map<string, {field: Field, error: HTMLElement, default: any, title: string}>} */
    this.fields = new Map();
    this.summary = h("span", { class: "settings-summary" });
    this.details = h("details", { class: "settings" });
    /** @type {Record<string, [string, string][]>} names and what they are called, by what a setting says that it takes */
    this.offered = {};
    /** Whether a path of the server may be named, too. */
    this.paths = false;
  }

  /**
   * @param {any} schema JSON schema of an object
   * @param {Record<string, any>} values values that differ from the defaults
   * @param {import("../types.js").Card | null} card the model's card, for layers
   * @param {Record<string, any>} [defaults]
   */
  show(schema, values, card, defaults = {}) {
    this.fields.clear();
    const open = this.details.open;
    const rows = Object.entries(schema?.properties ?? {}).map(([name, raw]) => {
      const { property, nullable } = resolve(raw, schema);
      const start = defaults[name] ?? property.default ?? null;
      const id = freshId("setting");
      const field = build(property, { id, name, nullable, start, card, offered: this.offered, paths: this.paths, change: () => this.changed(name) });
      field.set(name in values ? values[name] : start);
      const error = h("p", { class: "field-error", id: `${id}-error`, hidden: true });
      this.fields.set(name, { field, error, default: start, title: property.title ?? name });
      const title = property.title ?? name;
      const hint = h("p", { class: "field-hint", id: `${id}-hint` }, coded(property.description ?? ""));
      return h("div", { class: "field", "data-setting": name },
        field.group
          ? h("span", { class: "field-title", id: `${id}-title` }, title)
          : h("label", { class: "field-title", for: field.focusId }, title),
        field.element, hint, error);
    });
    const reset = h("button", { type: "button", class: "text", onclick: () => this.reset() }, "Back to the defaults");
    fill(this.details, h("summary", {}, h("span", {}, "Settings"), this.summary), h("div", { class: "fields" }, rows), reset);
    this.details.open = open;
    fill(this.place, rows.length ? this.details : null);
    this.summarize();
  }

  /** @param {string} name */
  changed(name) {
    this.error(name, "");
    this.summarize();
    this.dispatchEvent(new Event("change"));
  }

  reset() {
    for (const [name, { field, default: start }] of this.fields) {
      field.set(start);
      this.error(name, "");
    }
    this.summarize();
    this.dispatchEvent(new Event("change"));
  }

  /** @returns {Record<string, any>} every value */
  values() {
    return Object.fromEntries([...this.fields].map(([name, { field }]) => [name, field.value()]));
  }

  /** @returns {Record<string, any>} the values that differ from the defaults */
  differences() {
    return Object.fromEntries([...this.fields]
      .filter(([, { field, default: start }]) => JSON.stringify(field.value()) !== JSON.stringify(start))
      .map(([name, { field }]) => [name, field.value()]));
  }

  summarize() {
    const parts = [...this.fields.values()].map(({ field, title }) => {
      const value = field.value();
      if (value === null || value === false || value === "") return "";
      return value === true ? title.toLowerCase() : `${title.toLowerCase()} ${value}`;
    });
    this.summary.textContent = parts.filter(Boolean).join(", ");
  }

  /**
   * Shows an error beside its field.
   *
   * @param {string} name
   * @param {string} message "" to take it away
   * @returns {boolean} whether there is such a field
   */
  error(name, message) {
    const entry = this.fields.get(name);
    if (!entry) return false;
    const { field, error } = entry;
    error.textContent = message;
    error.hidden = !message;
    for (const input of field.element.matches("input, select") ? [field.element] : field.element.querySelectorAll("input, select")) {
      input.toggleAttribute("aria-invalid", Boolean(message));
      if (message) input.setAttribute("aria-invalid", "true");
    }
    if (message) {
      this.details.open = true;
      document.getElementById(field.focusId)?.focus();
    }
    return true;
  }
}

/**
 * Resolves references, and takes "or null" apart.
 *
 * @param {any} raw
 * @param {any} schema
 * @returns {{property: any, nullable: boolean}}
 */
function resolve(raw, schema) {
  let property = { ...raw };
  let nullable = false;
  const choices = property.anyOf ?? property.oneOf;
  if (choices) {
    nullable = choices.some((/** @type {any} */ one) => one.type === "null");
    const others = choices.filter((/** @type {any} */ one) => one.type !== "null");
    if (others.length === 1) property = { ...resolve(others[0], schema).property, ...property };
  }
  const reference = property.$ref ?? property.allOf?.[0]?.$ref;
  if (reference) {
    const target = schema.$defs?.[reference.split("/").at(-1)] ?? {};
    property = { ...target, ...property, title: raw.title ?? target.title };
  }
  if (property.const !== undefined) property.enum = [property.const];
  return { property, nullable };
}

/**
 * @typedef {object} FieldOptions
 * @property {string} id
 * @property {string} name
 * @property {boolean} nullable
 * @property {any} start the default
 * @property {import("../types.js").Card | null} card
 * @property {Record<string, [string, string][]>} offered what there is to name
 * @property {boolean} paths whether a path of the server may be named, too
 * @property {() => void} change
 */

/**
 * @param {any} property
 * @param {FieldOptions} options
 * @returns {Field}
 */
function build(property, options) {
  const choices = property.picasso?.choices;
  if (choices === "spatial-layers" || choices === "layers") return layerField(property.picasso, options);
  if (choices === "album" || choices === "checkpoints") return placeField(property.picasso, options);
  if (choices === "visualization" && options.offered[choices]) return selectField(options.offered[choices], options);
  if (property.enum) {
    return property.enum.length <= SEGMENTS_UP_TO && !options.nullable && property.enum.join("").length < 28
      ? segmentedField(property.enum, options)
      : selectField(property.enum.map((/** @type {any} */ one) => [one, String(one)]), options);
  }
  if (property.format === "extent") return extentField(options);
  if (property.type === "boolean") return switchField(options);
  if (property.type === "integer" || property.type === "number") return numberField(property, options);
  return textField(options);
}

/**
 * @param {{choices: "spatial-layers" | "layers", several?: boolean}} wanted
 * @param {FieldOptions} options
 */
function layerField({ choices, several = false }, options) {
  const { card } = options;
  const layers = (card?.layers ?? []).filter((layer) => choices === "layers" || layer.spatial);
  const found = card?.default_layer;
  const automatic = found && options.name !== "layers" ? `found by tracing: ${found}` : "automatic";
  /** @type {[any, string][]} */
  const items = layers.map((layer) => [layer.name, `${layer.name} (${layer.kind}, ${layer.shape.join(" \u00d7 ")})`]);
  return several
    ? severalField(items, { ...options, nullable: true }, automatic)
    : selectField(items, { ...options, nullable: true }, automatic, options.start);
}
