/**
 * What travels between server and page, for editors and reviewers; nothing here runs.
 *
 * @typedef {import("./arrays.js").ArrayRef} ArrayRef
 *
 * @typedef {{kind: string, id: string, title: string, caption: string}} Wire
 * @typedef {Wire & {
 *   values: ArrayRef, picture: ArrayRef, native: ArrayRef | null, units: string, sign: "signed" | "unsigned",
 *   limits: [number, number], clipped: number, group: string, rank: number, target: string, score: number,
 *   probability: number | null, laid: string, kept: boolean, notes: string[],
 *   frame: import("./panels/original.js").Frame | null
 * }} HeatmapWire
 * @typedef {Wire & {labels: string[], values: number[], units: string, maximum: number | null,
 *   colors: string[], intervals: [number, number][]}} BarsWire
 * @typedef {Wire & {pictures: ArrayRef[], captions: string[]}} ImagesWire
 * @typedef {Wire & {x: number[], lines: {label: string, values: (number | null)[]}[], x_title: string, y_title: string,
 *   ticks: string[], limits: [number, number] | null, mark: number | null, mark_label: string}} CurveWire
 * @typedef {Wire & {
 *   values: ArrayRef, picture: ArrayRef | null, layer: string, units: string, sign: "signed" | "unsigned",
 *   limits: [number, number], clipped: number, order: string, sheet: number, noun: string,
 *   measures: {name: string, title: string, units: string, values: ArrayRef}[]
 * }} FeatureMapsWire
 * @typedef {Wire & {svg: string}} DrawingWire
 * @typedef {import("./panels/atlas.js").AtlasWire} AtlasWire
 * @typedef {Wire & {groups: {title: string, caption: string, unit: string, tiles: import("./panels/tiles.js").Tile[]}[],
 *   atlas: AtlasWire, wholes: AtlasWire | null, aspect: number, album: string}} GalleryWire
 * @typedef {Wire & {rows: string[], columns: string[], row_title: string, column_title: string, places: ArrayRef,
 *   values: ArrayRef, units: string, names: string[], atlas: AtlasWire, album: string, labels: string[]}} MatrixWire
 * @typedef {Wire & {points: ArrayRef, names: string[], atlas: AtlasWire, neighbors: ArrayRef, x_title: string,
 *   y_title: string, colorings: {name: string, words: string[], values: ArrayRef}[], album: string}} ScatterWire
 * @typedef {{
 *   name: string, label: string, kind: string, role: string, shape: number[], layer: string,
 *   parameters: number | null, multiply_adds: number | null, parent: number, row: number, column: number,
 *   steps: number, opened: boolean
 * }} GraphBox
 * @typedef {{block: number, source: number, target: number, lane: number}} GraphArc
 * @typedef {Wire & {boxes: GraphBox[], arcs: GraphArc[], elsewhere: number, notes: string[]}} GraphWire
 * @typedef {Wire & {noun: string, steps: {label: string, panels: Wire[], picture: ArrayRef | null}[]}} SeriesWire
 * @typedef {Wire & {
 *   x: number[], y: number[], values: ArrayRef, x_title: string, y_title: string, units: string, logarithmic: boolean,
 *   contours: {level: number, points: [number, number][]}[], path: {label: string, x: number, y: number}[],
 *   mark: [number, number] | null, mark_label: string
 * }} SurfaceWire
 * @typedef {Wire & {text?: string}} TextWire
 * @typedef {Wire & {html?: string}} TemplateWire
 *
 * @typedef {{digest: string, name: string, width: number, height: number, notes: string[], file: string,
 *   thumbnail: string}} Picture
 *
 * @typedef {{picture: string, digest: string, name: string, area: number, file: string}} Mask
 *
 * @typedef {object} PanelContext
 * @property {Picture | null} picture
 * @property {string} model its name
 * @property {number | null} channel the one of a layer that is shown large at first
 * @property {string} title the visualization's title
 * @property {string} [chosen] id of the map that is shown at first, where there are several; else the best class's
 * @property {boolean} [compare] show all maps side by side, without a choice
 * @property {(error: unknown) => void} fail shows what went wrong
 * @property {() => import("./panels/class-list.js").ClassListing | null} listing the model's best classes, once known
 *
 * @typedef {object} PanelView
 * @property {HTMLElement} element
 * @property {(panels: any[]) => void} update
 * @property {() => void} [close]
 *
 * @typedef {{code: string, message: string, hint: string}} Problem
 * @typedef {{name: string, kind: string, shape: number[], spatial: boolean}} Layer
 * @typedef {object} Card
 * @property {string} framework
 * @property {number[]} input_shape
 * @property {string[]} labels
 * @property {string} head
 * @property {string} score_units
 * @property {number} parameters
 * @property {string[]} notes
 * @property {string[]} capabilities
 * @property {Record<string, any> | null} preprocessing
 * @property {Layer[]} layers
 * @property {string | null} default_layer
 * @property {string} digest
 * @property {string} task "classification", "segmentation" or "detection"
 * @property {Record<string, string>} visualizations why one does not fit; "" where it does
 * @typedef {{name: string, source: string, state: "new" | "opening" | "ready" | "failed", error: Problem | null,
 *   card: Card | null}} Model
 * @typedef {object} VisualizationInfo
 * @property {string} name
 * @property {string} title
 * @property {string} family
 * @property {string} description
 * @property {string} formula
 * @property {string[]} pitfalls
 * @property {string[]} references
 * @property {string[]} needs
 * @property {any} schema JSON schema of the settings
 * @property {Record<string, any>} defaults
 * @property {string} origin
 * @property {string} file
 * @property {string} subject "pictures", or "model" where it looks at the model alone
 * @property {string} error
 * @property {boolean} attributes whether it explains targets
 * @typedef {"queued" | "running" | "done" | "failed" | "canceled"} State
 * @typedef {{picture: string | null, state: State, result: string | null, error?: Problem | null, name?: string,
 *   thumbnail?: string}} Task
 * @typedef {{id: string, state: State, model: string, visualization: string, settings: Record<string, any>,
 *   tasks: Task[], error?: Problem | null, created?: string, started?: string | null, at?: string | null,
 *   target?: (number | string)[] | null, top?: number, seed?: number,
 *   methods?: {name: string, settings: Record<string, any>}[] | null, comparison?: string | null, dataset?: string | null,
 *   audit?: string | null, video?: {name: string, channel: number | null, every: number} | null,
 *   film?: import("./parts/film-export.js").Film | null}} Job
 * @typedef {{key: string, document: any, panels: Wire[], picture: Picture | null, job: string | null,
 *   comparison: string | null, measuring: string | null, classes: number | null}} StoredResult
 */

export {};
