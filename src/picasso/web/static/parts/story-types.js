/**
 * What lies in the story's file; nothing here runs.
 *
 * @typedef {{file: string, label: "tank" | "decoy", erased: boolean, cloudiness: number,
 *   tank_probability: Record<"tank-proxy" | "tank-honest", number>}} Shot
 * @typedef {{accuracy: number, accuracy_erased: number, accuracy_fair: number, pictures: number}} Figures
 * @typedef {{name: "tank" | "decoy", kind: string, positions: number[], frames: Shot[]}} SceneFrames
 * @typedef {object} Story
 * @property {Record<"tank-proxy" | "tank-honest", Figures>} models
 * @property {SceneFrames[]} scenes
 * @property {Shot[]} sheet
 */

export {};
