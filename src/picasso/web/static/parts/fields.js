/** The controls of a settings form. */

import { fill, h } from "../dom.js";

/** @typedef {import("./settings-form.js").Field} Field */
/** @typedef {import("./settings-form.js").FieldOptions} FieldOptions */

/** @param {FieldOptions} options */
const described = ({ id }) => ({ "aria-describedby": `${id}-hint ${id}-error` });

/**
 * @param {any} property
 * @param {FieldOptions} options
 * @returns {Field}
 */
export function numberField(property, options) {
  const { id, nullable, change } = options;
  const whole = property.type === "integer";
  const low = property.minimum ?? (whole && property.exclusiveMinimum !== undefined ? property.exclusiveMinimum + 1 : undefined);
  const element = h("input", {
    type: "number", id, step: whole ? 1 : "any", min: low, max: property.maximum, inputmode: whole ? "numeric" : "decimal",
    placeholder: nullable ? "automatic" : null, ...described(options), onchange: change,
  });
  return {
    element,
    focusId: id,
    value: () => (element.value === "" ? null : Number(element.value)),
    set: (value) => (element.value = value ?? ""),
  };
}

/**
 * @param {FieldOptions} options
 * @returns {Field}
 */
export function textField(options) {
  const { id, nullable, change } = options;
  const element = h("input", {
    type: "text", id, placeholder: nullable ? "automatic" : null, autocomplete: "off", ...described(options), onchange: change,
  });
  return {
    element,
    focusId: id,
    value: () => (element.value === "" && nullable ? null : element.value),
    set: (value) => (element.value = value ?? ""),
  };
}

/**
 * @param {FieldOptions} options
 * @returns {Field}
 */
export function switchField(options) {
  const { id, change } = options;
  const input = h("input", { type: "checkbox", role: "switch", id, ...described(options), onchange: change });
  const state = h("span", { "aria-hidden": "true" });
  const show = () => (state.textContent = input.checked ? "on" : "off");
  input.addEventListener("change", show);
  return {
    element: h("span", { class: "switch" }, input, state),
    focusId: id,
    value: () => input.checked,
    set: (value) => {
      input.checked = Boolean(value);
      show();
    },
  };
}

/**
 * A length: a number and its unit, pixels of the model's input or percent of its side.
 *
 * @param {FieldOptions} options
 * @returns {Field}
 */
export function extentField(options) {
  const { id, nullable, change, name } = options;
  const amount = h("input", {
    type: "number", id, min: 0, step: "any", inputmode: "decimal", placeholder: nullable ? "automatic" : null,
    ...described(options), onchange: change,
  });
  const unit = h("select", { "aria-label": `Unit of ${name}`, onchange: change },
    h("option", { value: "px" }, "px"), h("option", { value: "%" }, "%"));
  return {
    element: h("span", { class: "extent" }, amount, unit),
    focusId: id,
    value: () => (amount.value === "" ? null : `${amount.value}${unit.value}`),
    set: (value) => {
      const [, digits = "", sign = "%"] = /^([\d.]+)(px|%)$/.exec(value ?? "") ?? [];
      amount.value = digits;
      unit.value = sign;
    },
  };
}

/**
 * Something on the server's disk: pictures that a view looks at, checkpoints; by a name that it knows, or by its path.
 *
 * @param {{choices: string, required?: boolean}} wanted
 * @param {FieldOptions} options
 * @returns {Field}
 */
export function placeField({ choices, required = false }, options) {
  const { id, name, paths, change } = options;
  const names = (options.offered[choices] ?? []).map(([one]) => one);
  const path = h("input", { type: "text", "aria-label": `Path of ${name}`, autocomplete: "off", spellcheck: "false", placeholder: "/path/of/a/folder", onchange: change });
  const element = h("select", { id, ...described(options), onchange: () => {
    show();
    if (element.value === "path") path.focus();
    else change();
  } },
    (!required || !(names.length || paths)) && h("option", { value: "" }, required ? "this server knows none" : "none"),
    names.map((one, i) => h("option", { value: String(i) }, one)),
    paths && h("option", { value: "path" }, "a folder, by its path\u2026"));
  const show = () => (path.hidden = element.value !== "path");
  return {
    element: h("span", { class: "place-field" }, element, path),
    focusId: id,
    value: () => (element.value === "path" ? path.value.trim() : element.value === "" ? "" : names[Number(element.value)]),
    set: (value) => {
      const place = names.indexOf(value);
      if (value && place < 0 && ![...element.options].some((one) => one.value === "path")) element.append(h("option", { value: "path" }, "another"));
      // What is needed begins with the first that there is.
      const first = required && names.length ? "0" : required && paths ? "path" : "";
      element.value = place >= 0 ? String(place) : value ? "path" : first;
      path.value = place < 0 ? value ?? "" : "";
      show();
    },
  };
}

/**
 * @param {[any, string][]} items values and what they are called
 * @param {FieldOptions} options
 * @param {string} [automatic] what no choice is called
 * @param {any} [none] the value of no choice
 * @returns {Field}
 */
export function selectField(items, options, automatic = "automatic", none = null) {
  const { id, nullable, change } = options;
  const element = h("select", { id, ...described(options), onchange: change },
    nullable && h("option", { value: "" }, automatic),
    items.map(([, label], i) => h("option", { value: String(i) }, label)));
  return {
    element,
    focusId: id,
    value: () => (element.value === "" ? none : items[Number(element.value)][0]),
    set: (value) => {
      const place = items.findIndex(([one]) => one === value);
      element.value = place < 0 ? "" : String(place);
    },
  };
}

/**
 * A list of which several can be chosen; their names are one text, separated by commas.
 *
 * @param {[string, string][]} items names and what they are called
 * @param {FieldOptions} options
 * @param {string} automatic what no choice is called
 * @returns {Field}
 */
export function severalField(items, options, automatic) {
  const { id, change } = options;
  const element = h("select", { id, ...described(options), multiple: true, size: Math.min(5, items.length + 1), onchange: change },
    h("option", { value: "" }, automatic),
    items.map(([, label], i) => h("option", { value: String(i) }, label)));
  const choices = () => [...element.options];
  return {
    element,
    focusId: id,
    value: () => choices().filter((one) => one.selected && one.value).map((one) => items[Number(one.value)][0]).join(", "),
    set: (value) => {
      const all = String(value ?? "");
      const names = items.some(([name]) => name === all) ? [all] : all.split(",").map((name) => name.trim());
      for (const one of choices()) one.selected = one.value ? names.includes(items[Number(one.value)][0]) : !all;
    },
  };
}

/**
 * @param {any[]} values
 * @param {FieldOptions} options
 * @returns {Field}
 */
export function segmentedField(values, options) {
  const { id, change } = options;
  const element = h("span", { class: "segmented", role: "radiogroup", "aria-labelledby": `${id}-title`, ...described(options) });
  const inputs = values.map((value, i) => h("input", { type: "radio", name: id, id: i ? null : id, value: String(i), onchange: change }));
  fill(element, inputs.map((input, i) => h("label", {}, input, h("span", {}, String(values[i])))));
  return {
    element,
    focusId: id,
    group: true,
    value: () => values[inputs.findIndex((input) => input.checked)] ?? null,
    set: (value) => inputs.forEach((input, i) => (input.checked = values[i] === value)),
  };
}
