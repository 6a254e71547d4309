// The parts of the page that open later: a file of their own, so that the first tweets wait for
// less.

import { addTexts } from '../strings.js';
import { EN_LATER } from '../texts/en-later.js';

addTexts(EN_LATER);

export { Analysis } from './analysis.js';
export { ColumnMenu } from './menu.js';
export { Saved } from './saved.js';
export { Sources } from './sources.js';
export { Choice, Help, Json, Token } from './sheets.js';
