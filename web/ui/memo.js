// A component that is drawn again only when its properties differ.

import { Component, h } from '../vendor/preact.js';

/**
 * @param {any} view
 * @param {(before: any, after: any) => boolean} isSame
 * @returns {any}
 */
export function memo(view, isSame) {
  return class extends Component {
    /** @param {any} next */
    shouldComponentUpdate(next) {
      return !isSame(this.props, next);
    }

    render() {
      return h(view, this.props);
    }
  };
}
