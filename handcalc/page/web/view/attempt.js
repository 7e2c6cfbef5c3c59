// Try what the reader asked for; what cannot be done is said in one line, and changes nothing.

import { ReaderError } from "../state/session.js";

/** Call `act`; if that is impossible, write why on the line, after what was attempted, and return false. */
export function attempt(line, attempted, act) {
  line.textContent = "";
  try {
    act();
    return true;
  } catch (error) {
    if (!(error instanceof ReaderError)) throw error;
    line.textContent = `${attempted}: ${error.message.replace(/\.$/, "")}. Nothing was changed.`;
    return false;
  }
}
