// The few parts of JupyterLab and Lumino that the extension uses, as they are from 4.1 on.

export interface Signal<Sender, Args> {
  connect(slot: (sender: Sender, args: Args) => void, thisArg?: unknown): boolean;
  disconnect(slot: (sender: Sender, args: Args) => void, thisArg?: unknown): boolean;
}

export type Json = Record<string, any>;

/** A cell as it is shared with other pages, `@jupyter/ydoc`. */
export interface SharedCell {
  readonly id: string;
  readonly cell_type: string;
  readonly source: string;
  setSource(value: string): void;
  updateSource(start: number, end: number, value?: string): void;
  getMetadata(): Json;
  transact(change: () => void, undoable?: boolean): void;
  /** Of the cell alone, or that of its notebook. */
  readonly undoManager?: UndoManager | null;
  execution_count?: number | null;
  setOutputs?(outputs: Json[]): void;
  readonly changed: Signal<SharedCell, { sourceChange?: { insert?: string; delete?: number; retain?: number }[] }>;
}

/** Which items of a shared document were deleted, `yjs`: for each client ranges of its items. */
export interface DeleteSet {
  readonly clients: Map<number, { readonly clock: number; readonly len: number }[]>;
}

/** The undo history of a shared document, `yjs`. */
export interface UndoManager {
  readonly undoing: boolean;
  undoStack: { readonly meta: Map<unknown, any>; readonly deletions: DeleteSet }[];
  readonly redoStack: unknown[];
  readonly scope: unknown[];
  readonly trackedOrigins: Set<unknown>;
  stopCapturing(): void;
  clear(undoStack: boolean, redoStack: boolean): void;
}

export interface SharedNotebook {
  readonly cells: readonly SharedCell[];
  readonly undoManager?: UndoManager;
  readonly ydoc?: {
    on(event: "beforeTransaction", slot: (transaction: { origin: unknown }) => void): void;
    transact(change: (transaction: { readonly deleteSet: DeleteSet }) => void): void;
  };
  transact(change: () => void, undoable?: boolean): void;
  insertCell(index: number, cell: Json): SharedCell;
  deleteCell(index: number): void;
}

export interface CellModel {
  readonly id: string;
  readonly isDisposed: boolean;
  readonly type: string;
  trusted: boolean;
  mimeType: string;
  readonly mimeTypeChanged: Signal<CellModel, unknown>;
  readonly metadataChanged: Signal<CellModel, { key?: string }>;
  readonly sharedModel: SharedCell;
  getMetadata(key: string): any;
  setMetadata(key: string, value: unknown): void;
  deleteMetadata(key: string): void;
  toJSON(): Json;
  /** Code cells alone. */
  executionCount?: number | null;
  /** Missing in JupyterLab 4.1. */
  executionState?: "idle" | "running";
  outputs?: { readonly length: number; toJSON(): Json[]; fromJSON(outputs: Json[]): void };
}

export interface NotebookModel {
  readonly cells: Iterable<CellModel> & {
    readonly length: number;
    get(index: number): CellModel;
    readonly changed: Signal<unknown, { newValues: CellModel[] }>;
  };
  readonly sharedModel: SharedNotebook;
  readonly deletedCells: string[];
  /** Whether other pages share it, and the server saves it. */
  readonly collaborative?: boolean;
  readonly stateChanged: Signal<NotebookModel, { name: string; newValue: unknown }>;
  getMetadata(key: string): any;
  setMetadata(key: string, value: unknown): void;
}

export interface Widget {
  readonly node: HTMLElement;
  readonly isDisposed: boolean;
  readonly disposed: Signal<Widget, void>;
  setHidden(hidden: boolean): void;
  addClass(name: string): void;
}

interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Editor {
  focus(): void;
  getSelections(): readonly { start: Position; end: Position }[];
}

export interface Cell extends Widget {
  readonly model: CellModel;
  readonly editor: Editor | null;
  rendered?: boolean;
  inputHidden: boolean;
  outputHidden?: boolean;
}

export interface Notebook extends Widget {
  readonly widgets: readonly Cell[];
  readonly activeCell: Cell | null;
  activeCellIndex: number;
  mode: "command" | "edit";
  isSelectedOrActive(cell: Cell): boolean;
  readonly notebookConfig?: { recordTiming?: boolean };
}

export interface Comm {
  onMsg: (message: { content: { data: Json } }) => void;
  onClose: (message: unknown) => void;
  readonly isDisposed: boolean;
  open(data: Json): unknown;
  send(data: Json): unknown;
  close(): unknown;
}

export interface Kernel {
  readonly info: Promise<{ implementation: string, sandbox?: Json }>;
  createComm(target: string): Comm;
}

export interface SessionContext {
  readonly session: { readonly kernel: Kernel | null } | null;
  readonly kernelChanged: Signal<SessionContext, unknown>;
  readonly statusChanged: Signal<SessionContext, string>;
}

export interface Context {
  readonly path: string;
  readonly localPath: string;
  readonly model: NotebookModel;
  readonly sessionContext: SessionContext;
  readonly ready: Promise<void>;
  readonly saveState: Signal<Context, string>;
  readonly pathChanged: Signal<Context, string>;
  readonly disposed: Signal<Context, void>;
  save(): Promise<void>;
}

export interface NotebookPanel extends Widget {
  readonly context: Context;
  readonly content: Notebook;
  readonly toolbar: { addItem(name: string, widget: Widget): boolean };
}

export interface Tracker {
  readonly currentWidget: NotebookPanel | null;
  readonly widgetAdded: Signal<Tracker, NotebookPanel>;
  forEach(visit: (panel: NotebookPanel) => void): void;
}

/** Of `@lumino/widgets`. */
export interface Menu extends Widget {
  readonly title: { label: string };
  addItem(item: { command: string; args: Json } | { type: "submenu"; submenu: Menu }): unknown;
}

export interface MainMenu {
  addMenu(menu: Menu, update: boolean, options: { rank: number }): void;
}

export interface App {
  readonly commands: {
    addCommand(
      id: string,
      options: {
        label: (args: Json) => string;
        caption: (args: Json) => string;
        isEnabled: () => boolean;
        execute: (args: Json) => unknown;
      },
    ): unknown;
    hasCommand(id: string): boolean;
    execute(id: string, args: Json): Promise<unknown>;
  };
}

/** What is told in the corner of the window; `autoClose` in milliseconds. */
export interface Notification {
  emit(message: string, type: "in-progress"): string;
  update(change: {
    id: string;
    message: string;
    type: "success" | "error";
    autoClose?: number | false;
    actions?: { label: string; callback: () => void }[];
  }): boolean;
}

/** The application, and the modules that it shares with the extension. */
export interface Lab {
  app: App;
  apputils: { Notification: Notification };
  mainmenu: { IMainMenu: unknown };
  notebook: {
    INotebookTracker: unknown;
    NotebookActions: {
      executionScheduled: Signal<unknown, { notebook: Notebook; cell: Cell }>;
      executed: Signal<unknown, { notebook: Notebook; cell: Cell; success: boolean }>;
    };
  };
  cells: {
    CodeCell: {
      execute(cell: Cell, sessionContext: SessionContext, metadata?: Json): Promise<unknown>;
    };
  };
  widgets: {
    Widget: new (options: { node: HTMLElement }) => Widget;
    Menu: new (options: { commands: App["commands"] }) => Menu;
  };
}

declare global {
  interface Window {
    _JUPYTERLAB?: Record<string, unknown>;
  }
}
