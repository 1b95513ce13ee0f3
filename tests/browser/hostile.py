"""Outputs that try to act on the page that shows them: `show()`.

What runs pushes its name to `window.ran`; what reaches the network asks for an address with `hostile` in it.
"""

import base64

from IPython import get_ipython
from IPython.display import HTML, Javascript, display


def js(name):
    return f"(window.top.ran = window.top.ran || []).push('{name}');fetch('/api/hostile-{name}')"


LEAK = "http://leak.invalid/hostile-"

#: Name and HTML.
MARKUP = {
    "script": "<script>{js}</script>",
    "handler": "<img src=x onerror=\"{js}\">",
    "svg-onload": "<svg onload=\"{js}\"></svg>",
    "svg-script": "<svg><script>{js}</script></svg>",
    "svg-animate": "<svg><animate onbegin=\"{js}\" attributeName=x dur=1s></svg>",
    "iframe": "<iframe srcdoc=\"<script>{js}</script>\"></iframe>",
    "iframe-address": "<iframe src=\"javascript:{js}\"></iframe>",
    "refresh": "<meta http-equiv=refresh content='0;url=/api/hostile-refresh'>",
    "form": "<form id=hostile action=/api/hostile-form><input name=a></form><script>document.getElementById('hostile').submit()</script>",
    "css-url": "<div style='background:url({leak}css-url)'>x</div>",
    "css-import": "<style>@import '{leak}css-import';</style>x",
    "css-rule": "<style>.hostile {{background: url({leak}css-rule)}}</style><div class=hostile>x</div>",
    "base": "<base href='{leak}'><img src=base>",
    "object": "<object data='{leak}object'></object><embed src='{leak}embed'>",
    "picture": "<img src='{leak}picture'><video src='{leak}video' poster='{leak}poster'></video>",
    "focus": "<input autofocus onfocus=\"{js}\">",
    "details": "<details open ontoggle=\"{js}\"><summary>x</summary></details>",
    "template": "<math><mtext><table><mglyph><style><img src=x onerror=\"{js}\"></style></table></math>",
    "noscript": "<noscript><p title=\"</noscript><img src=x onerror='{js}'>\"></noscript>",
    "address": "<a class=hostile-link href=\"javascript:{js}\">click</a>",
    "clobber": "<a id=jupyter-config-data class=hostile-id>x</a><form name=clobbered></form>",
    "cover": "<div class='hostile-cover' style='position:fixed;inset:0;z-index:99999;background:white'>Your password?</div>",
    "dialog": "<div class='jp-Dialog'><div class='jp-Dialog-content'>Your password?</div></div>",
    "command": "<button data-commandlinker-command='terminal:create-new'>x</button>",
    "nested": "<div>" * 3000 + "<img src=x onerror=\"{js}\">",
}

#: Name and MIME bundle.
BUNDLES = {
    "javascript": {"application/javascript": "{js}"},
    "svg-mime": {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg' onload=\"{js}\"><script>{js}</script></svg>"},
    "svg-foreign": {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'><foreignObject><body xmlns='http://www.w3.org/1999/xhtml' onload=\"{js}\"/></foreignObject><image href='{leak}svg'/></svg>"},
    "markdown": {"text/markdown": "![x]({leak}markdown) <img src=x onerror=\"{js}\"> [click](javascript:{js})"},
    "latex": {"text/latex": "$\\style{{background:url({leak}latex)}}{{x}} \\href{{javascript:{js}}}{{x}}$"},
    "widget": {"application/vnd.jupyter.widget-view+json": {"model_id": "hostile", "version_major": 2, "version_minor": 0}},
    "vega": {"application/vnd.vega.v5+json": {"$schema": "https://vega.github.io/schema/vega/v5.json", "data": [{"name": "d", "url": "/api/hostile-vega"}]}},
    "isolated": {"text/html": "<script>{js}</script>x"},
}


#: Those that lead the page elsewhere, or change what its addresses mean.
LEADS_AWAY = ("refresh", "form", "base")


def filled(value, name):
    if isinstance(value, str):
        return value.replace("{{", "{").replace("}}", "}").replace("{js}", js(name)).replace("{leak}", LEAK)
    return value


def messages():
    """What a kernel can say besides displays, some of it in the name of the user's own cell."""
    kernel = get_ipython().kernel
    users = get_ipython().user_ns["users"]

    def say(msg_type, content, parent):
        kernel.session.send(kernel.iopub_socket, msg_type, content, parent=parent, ident=b"x")

    script = {"data": {"text/html": f"<script>{js('forged')}</script>"}, "metadata": {}}
    replaced = {"data": {"text/plain": "replaced"}, "metadata": {}, "transient": {"display_id": "mine"}}
    for parent in (users, kernel.get_parent(), {}):
        say("update_display_data", replaced, parent)
        say("comm_open", {"comm_id": "hostile", "target_name": "hostile-target", "data": {}}, parent)
    say("display_data", script, users)
    say("clear_output", {"wait": False}, users)


def show(away=True):
    """Shows all; without those that lead away, a page lives on to tell of the others."""
    for name, source in MARKUP.items():
        if away or name not in LEADS_AWAY:
            display(HTML(filled(source, name)))
    for name, bundle in BUNDLES.items():
        data = {mime: filled(value, name) for mime, value in bundle.items()}
        metadata = {"isolated": True} if name == "isolated" else {}
        display({"text/plain": name, **data}, raw=True, metadata=metadata)
    display({"image/png": base64.b64encode(b"x").decode() + "\" onerror=\"" + js("png"), "text/plain": "png"}, raw=True)
    display(Javascript(js("javascript-object")))
    get_ipython().set_next_input("# set by the step")
    messages()
    print("shown", len(MARKUP) + len(BUNDLES) + 2)
