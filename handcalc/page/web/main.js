// Where the page starts: it reads its data, works everything out, and shows it.

import { Session } from "./state/session.js";
import { startPage } from "./view/page.js";

startPage(new Session(JSON.parse(document.getElementById("trace").textContent)));
