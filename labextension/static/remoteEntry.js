// The container that JupyterLab loads, as webpack's module federation wants it, written by hand: what is reviewed
// is what ships. It hands Lab's own modules to ./plugin.js; the modules of the extension are loaded by the browser.
//
// Contract: jupyterlab `dev_mode/bootstrap.js` (init) and `dev_mode/index.js` (get).

(() => {
  /** @type {Record<string, Record<string, { loaded?: unknown, get(): Promise<() => any> }>>} */
  let shared = {};

  /** A module that Lab shares; the version that it has loaded, if there are several. @param {string} name */
  const lab = async (name) => {
    const versions = Object.values(shared[name] ?? {});
    const entry = versions.find((version) => version.loaded) ?? versions[0];
    if (!entry) throw new Error(`expected JupyterLab to share ${name}`);
    return (await entry.get())();
  };

  const container = {
    /** @param {typeof shared} scope */
    init: async (scope) => {
      shared = scope;
    },
    /** @param {string} name */
    get: async (name) => {
      if (name !== "./extension") throw new Error(`no module ${name}`);
      const [{ plugin }, notebook, cells, apputils, mainmenu, widgets] = await Promise.all([
        import("./plugin.js"),
        lab("@jupyterlab/notebook"),
        lab("@jupyterlab/cells"),
        lab("@jupyterlab/apputils"),
        lab("@jupyterlab/mainmenu"),
        lab("@lumino/widgets"),
      ]);
      return () => ({ __esModule: true, default: plugin({ notebook, cells, apputils, mainmenu, widgets }) });
    },
  };

  (window._JUPYTERLAB ??= {}).datarus = container;
})();
