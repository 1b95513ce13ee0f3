use datarus_agent::executor::{Execution, Output, Status};
use datarus_agent::llm::Profile;
use datarus_agent::observation::observe;

use super::*;

fn sift(msg_type: &str, content: Value) -> Sifted {
    Sieve::new("r").sift(msg_type, content.as_object().unwrap().clone())
}

/// What is left of the data that a step displays.
fn shown(data: Value) -> Value {
    let sifted = sift("display_data", json!({"data": data, "metadata": {}}));
    sifted.content.map_or(Value::Null, |content| content["data"].clone())
}

fn html(source: &str) -> String {
    let shown = shown(json!({"text/html": source, "text/plain": "p"}));
    shown["text/html"].as_str().unwrap_or_default().to_owned()
}

fn svg(source: &str) -> Option<String> {
    shown(json!({"image/svg+xml": source, "text/plain": "p"}))["image/svg+xml"]
        .as_str()
        .map(str::to_owned)
}

#[test]
fn plain_parts_stay_as_they_are() {
    let data = json!({
        "text/plain": "<b>&",
        "application/json": {"a": ["<script>"]},
        "image/png": "iVBORw0KGgo=\n",
        "text/latex": "$\\frac{1}{2}$",
    });
    assert_eq!(shown(data.clone()), data);
}

#[test]
fn what_runs_or_is_not_known_is_left_out_and_said_once() {
    let mut sieve = Sieve::new("r");
    let mut sift = |data: Value| {
        let content = json!({"data": data, "metadata": {}});
        sieve.sift("display_data", content.as_object().unwrap().clone())
    };
    let data = json!({
        "application/javascript": "f()",
        "application/vnd.jupyter.widget-view+json": {"model_id": "x"},
        "application/vnd.bokehjs_exec.v0+json": "",
        "application/vnd.datarus.step+json": {},
        "application/vnd.vega.v5+json": {},
        "text/html<b>": "x",
        "text/plain": "left",
    });
    let first = sift(data.clone());
    assert_eq!(first.content.unwrap()["data"], json!({"text/plain": "left"}));
    let notice = first.notice.unwrap();
    assert!(
        notice.starts_with(
            "Left out: application/javascript, a widget, application/vnd.bokehjs_exec.v0+json, \
             application/vnd.datarus.step+json, application/vnd.vega.v5+json, an output of an unknown type. "
        ),
        "{notice}"
    );
    assert_eq!(sift(data).notice, None);
    let alone = sift(json!({"application/x-new": 1}));
    assert!(alone.content.is_none() && alone.notice.is_some());
}

#[test]
fn messages_of_widgets_and_of_unknown_types_do_not_pass() {
    for msg_type in ["comm_open", "comm_msg", "comm_close"] {
        let sifted = sift(msg_type, json!({"comm_id": "x", "target_name": "datarus"}));
        assert!(
            sifted.content.is_none() && sifted.notice.unwrap().starts_with("Left out: a widget.")
        );
    }
    assert_eq!(sift("execute_reply", json!({"payload": []})), Sifted::default());
}

#[test]
fn displays_have_names_of_their_steps() {
    let id = |request: &str, msg_type: &str| {
        let content =
            json!({"data": {"text/plain": "x"}, "transient": {"display_id": "t_1-1", "x": 1}});
        let sifted = Sieve::new(request).sift(msg_type, content.as_object().unwrap().clone());
        sifted.content.unwrap()["transient"].clone()
    };
    assert_eq!(id("a", "display_data"), json!({"display_id": "step-a/t_1-1"}));
    assert_eq!(id("a", "update_display_data"), id("a", "display_data"));
    assert_ne!(id("a", "display_data"), id("b", "display_data"));
}

#[test]
fn data_about_data_says_sizes_alone() {
    let metadata = json!({
        "isolated": true,
        "image/png": {"width": 10, "height": "1 onload=f()", "x": 1},
        "needs_background": "light",
        "datarus": {"turn": "t"},
        "application/vnd.vegalite.v5+json": {"embed_options": {}},
    });
    let sifted = sift("display_data", json!({"data": {"text/plain": ""}, "metadata": metadata}));
    let expected = json!({
        "image/png": {"width": 10},
        "needs_background": "light",
        "application/vnd.vegalite.v5+json": {},
    });
    assert_eq!(sifted.content.unwrap()["metadata"], expected);
}

#[test]
fn pictures_are_base64() {
    assert_eq!(shown(json!({"image/png": "x\" onerror=\"f()"})), Value::Null);
    assert_eq!(shown(json!({"image/jpeg": ["aGk", "="]})), json!({"image/jpeg": "aGk="}));
}

const FRAME: &str = r#"<div>
<style scoped>
    .dataframe tbody tr th:only-of-type {
        vertical-align: middle;
    }

    .dataframe tbody tr th {
        vertical-align: top;
    }

    .dataframe thead th {
        text-align: right;
    }
</style>
<table border="1" class="dataframe">
  <thead>
    <tr style="text-align: right;">
      <th></th>
      <th>region</th>
      <th>sales &amp; more</th>
    </tr>
  </thead>
  <tbody>
    <tr>
      <th>0</th>
      <td>N &lt;script&gt;</td>
      <td>1</td>
    </tr>
  </tbody>
</table>
</div>"#;

#[test]
fn a_data_frame_stays_byte_for_byte() {
    assert_eq!(html(FRAME), FRAME);
    let hostile = FRAME.replace("<td>1</td>", "<td onclick='f()'>1<script>f()</script></td>");
    let cleaned = html(&hostile);
    assert!(cleaned.contains("<td>1</td>") && !cleaned.contains("f()"), "{cleaned}");
}

#[test]
fn a_data_frame_with_something_else_looks_as_it_did_and_reads_as_it_did() {
    let other = FRAME.replace("<table", "<p style='color: red'>x</p><table");
    let cleaned = html(&other);
    for kept in [
        " .dataframe tbody tr th:only-of-type {vertical-align: middle}",
        "<table border=\"1\" class=\"dataframe\">",
        "<tr style=\"text-align: right;\">",
        "<td>N &lt;script&gt;</td>",
    ] {
        assert!(cleaned.contains(kept), "{kept} in {cleaned}");
    }
    let sifted = sift("execute_result", json!({"data": {"text/html": other}, "metadata": {}}));
    assert_eq!(sifted.notice, None);
    let seen = |html: &str| {
        let data = json!({"text/html": html}).as_object().unwrap().clone();
        let output = Output::ExecuteResult { execution_count: None, data, metadata: Map::new() };
        let execution = Execution {
            execution_count: None,
            status: Status::Ok,
            outputs: vec![output],
            figures: Vec::new(),
            seconds: 0.0,
            lost: false,
        };
        observe("df", &execution, Profile::Compact)
    };
    assert_eq!(seen(&cleaned), seen(FRAME));
    assert_eq!(seen(FRAME), "region|sales & more\nN <script>|1");
}

#[test]
fn a_styled_table_keeps_its_colours() {
    let cleaned = html(
        "<style type=\"text/css\">\n#T_1_row0_col0 {\n  background-color: #440154;\n  color: #f1f1f1;\n}\n</style>\n\
         <table id=\"T_1\"><tbody><tr><td id=\"T_1_row0_col0\" class=\"data row0 col0\" >1</td></tr></tbody></table>",
    );
    let name = cleaned.split('"').nth(1).unwrap();
    assert!(name.starts_with("dr-"), "{cleaned}");
    let rule =
        format!(".{name} #{name}-T_1_row0_col0 {{background-color: #440154; color: #f1f1f1}}");
    assert!(cleaned.contains(&rule), "{cleaned}");
    let cell = format!(
        "<td id=\"{name}-T_1_row0_col0\" class=\"{name}-data {name}-row0 {name}-col0\">1</td>"
    );
    assert!(cleaned.contains(&cell), "{cleaned}");
}

#[test]
fn html_keeps_nothing_that_runs_loads_or_leaves_its_place() {
    for (source, expected) in [
        ("x<script>f()</script>", "x"),
        ("<img src=x onerror=f()>x", "<img>x"),
        ("<img src='http://h/x.png'>x", "<img>x"),
        ("<img src='data:image/svg+xml;base64,aGk='>x", "<img>x"),
        ("<img src='data:image/png;base64,aGk='>", "<img src=\"data:image/png;base64,aGk=\">"),
        ("<p onclick=f()>x</p>", "<p>x</p>"),
        ("<a href='javascript:f()'>x</a>", "<a>x</a>"),
        ("<a href='data:text/html,x'>x</a>", "<a>x</a>"),
        ("<a href='/api/shutdown'>x</a>", "<a>x</a>"),
        ("<a href='https://h/'>x</a>", "<a href=\"https://h/\">x</a>"),
        ("<iframe srcdoc='<script>f()</script>'></iframe>x", "x"),
        ("<form action=/api/x><input name=a>x</form>", "x"),
        ("<meta http-equiv=refresh content='0;url=//h'><base href=//h>x", "x"),
        ("<object data=x>y</object><embed src=x>x", "x"),
        ("<div style='position:fixed;top:0;background:url(//h)'>x</div>", "<div>x</div>"),
        ("<div data-commandlinker-command='terminal:create-new'>x</div>", "<div>x</div>"),
        ("<svg><style><img src=x onerror=f()></style></svg>x", "<img>x"),
        ("<math><mtext><table><mglyph><style><img src=x onerror=f()></math>x", ""),
        ("<noscript><p title='</noscript><img src=x onerror=f()>'></noscript>x", "<img>'&gt;x"),
        ("<template><script>f()</script></template>x", "x"),
        ("<textarea>&lt;/textarea><script>f()</script></textarea>x", "x"),
        ("<!--<img src=x onerror=f()>-->x<?php f() ?>", "x"),
        ("<x-y onfocus=f() autofocus tabindex=1>x</x-y>", "x"),
        (
            "<details open ontoggle=f()><summary>s</summary>x</details>",
            "<details open=\"\"><summary>s</summary>x</details>",
        ),
    ] {
        let cleaned = html(source);
        let plain = cleaned.replace(" target=\"_blank\"", "");
        let plain = plain.replace(" rel=\"noopener noreferrer nofollow\"", "");
        assert_eq!(plain, expected, "{source}");
    }
}

#[test]
fn names_of_the_page_cannot_be_taken() {
    let cleaned = html("<div id=main class='jp-Dialog lm-Widget dataframe'>x</div>");
    let name = cleaned.split('"').nth(1).unwrap().strip_suffix("-main").unwrap();
    let expected = format!(
        "<div id=\"{name}-main\" class=\"{name}-jp-Dialog {name}-lm-Widget dataframe\">x</div>"
    );
    assert_eq!(cleaned, expected);
}

#[test]
fn html_without_anything_to_see_is_left_out() {
    for source in [
        "<div id=plot></div><script>f()</script>",
        " \n&nbsp;",
        "<style>a {color: red}</style>",
        "",
    ] {
        let sifted =
            sift("display_data", json!({"data": {"text/html": source, "text/plain": "p"}}));
        assert_eq!(sifted.content.unwrap()["data"], json!({"text/plain": "p"}), "{source}");
        assert!(sifted.notice.unwrap().starts_with("Left out: text/html."));
    }
}

const PLOT: &str = r##"<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN"
  "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="10pt" viewBox="0 0 10 10" xmlns="http://www.w3.org/2000/svg" version="1.1">
 <metadata><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></metadata>
 <defs><style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style></defs>
 <g id="figure_1">
  <path d="M 0 1
L 2 3" clip-path="url(#p1)" style="fill: none; stroke: #1f77b4; stroke-width: 1.5"/>
  <defs><path id="m1" d="M 0 0"/></defs>
  <g><use xlink:href="#m1" x="1" style="stroke: #000"/></g>
  <text style="font: 10px 'DejaVu Sans'; text-anchor: middle" transform="rotate(-90 1 2)">a &lt; b</text>
  <image xlink:href="data:image/png;base64,
aGk=" width="1"/>
 </g>
 <defs><clipPath id="p1"><rect x="0" y="0" width="9" height="9"/></clipPath></defs>
</svg>"##;

#[test]
fn a_drawing_of_matplotlib_keeps_its_look() {
    let cleaned = svg(PLOT).unwrap();
    let name = cleaned.split("class=\"").nth(1).unwrap().split('"').next().unwrap();
    for kept in [
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\"".to_owned(),
        "width=\"10pt\" viewBox=\"0 0 10 10\"".to_owned(),
        format!("<style>.{name} * {{stroke-linejoin: round; stroke-linecap: butt}}\n</style>"),
        format!("clip-path=\"url(#{name}-p1)\" style=\"fill: none; stroke: #1f77b4; stroke-width: 1.5\""),
        format!("<use xlink:href=\"#{name}-m1\" x=\"1\" style=\"stroke: #000\"></use>"),
        "style=\"font: 10px 'DejaVu Sans'; text-anchor: middle\" transform=\"rotate(-90 1 2)\">a &lt; b</text>".to_owned(),
        "<image xlink:href=\"data:image/png;base64,aGk=\" width=\"1\">".to_owned(),
        format!("<clipPath id=\"{name}-p1\"><rect"),
    ] {
        assert!(cleaned.contains(&kept), "{kept} in {cleaned}");
    }
    assert!(!cleaned.contains("metadata") && !cleaned.contains("rdf"), "{cleaned}");
    assert!(svg(&cleaned).is_some(), "what is written can be read");
}

#[test]
fn a_drawing_keeps_nothing_that_runs_or_loads() {
    let within = |inner: &str| {
        let source = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' onload='f()'>{inner}<g/></svg>"
        );
        let cleaned = svg(&source)?;
        let (_, rest) = cleaned.split_once('>')?;
        Some(rest.strip_suffix("<g></g></svg>")?.to_owned())
    };
    for (source, expected) in [
        ("<script>f()</script>", ""),
        ("<g onclick='f()'/>", "<g></g>"),
        (
            "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml' onload='f()'/></foreignObject>",
            "",
        ),
        ("<a xlink:href='javascript:f()'><text>x</text></a>", "<text>x</text>"),
        ("<animate attributeName='href' to='javascript:f()'/><set/>", ""),
        ("<use xlink:href='http://h/x.svg#a'/>", "<use></use>"),
        ("<use href='data:image/svg+xml;base64,aGk=#a'/>", "<use></use>"),
        ("<image href='http://h/x.png'/>", "<image></image>"),
        ("<image href='data:image/svg+xml;base64,aGk='/>", "<image></image>"),
        ("<style>@import 'http://h'; a {fill: url(http://h)}</style>", "<style></style>"),
        ("<style><script>f()</script></style>", "<style></style>"),
        ("<style><![CDATA[</style><script>f()</script>]]></style>", "<style></style>"),
        ("<rect fill='url(http://h#a)' filter='url(#f)'/>", "<rect></rect>"),
        ("<feImage href='http://h'/><iframe src='http://h'/>", ""),
        ("<g xmlns='http://www.w3.org/1999/xhtml'><script>f()</script></g>", ""),
        ("<title><img src='x' onerror='f()'/></title>", ""),
        ("<!-- x --><?php f()?>", ""),
        ("<text>&#60;script></text>", "<text>&lt;script&gt;</text>"),
    ] {
        let found = within(source);
        assert!(
            found.as_deref() == Some(expected) || (found.is_none() && expected.is_empty()),
            "{source}: {found:?}"
        );
    }
}

#[test]
fn a_drawing_that_is_not_well_formed_or_defines_names_is_left_out() {
    for source in [
        "<svg><g></svg>",
        "<svg",
        "<html><svg/></html>",
        "<!DOCTYPE svg [<!ENTITY a \"aaaa\">]><svg><text>&a;</text></svg>",
        "<svg><rect x='1' x='2'",
        "",
    ] {
        assert_eq!(svg(source), None, "{source}");
    }
    assert_eq!(
        svg(&("<svg>".to_owned() + &"<g>".repeat(100) + &"</g>".repeat(100) + "</svg>")),
        None
    );
}

#[test]
fn no_few_lines_draw_for_hours() {
    let twice = |n: usize| {
        let before = n - 1;
        format!("<g id='a{n}'><use xlink:href='#a{before}'/><use xlink:href='#a{before}'/></g>")
    };
    let source =
        String::from("<svg xmlns:xlink='http://www.w3.org/1999/xlink'><g id='a0'><rect/></g>")
            + &(1..30).map(twice).collect::<String>();
    let cleaned = svg(&(source + "</svg>")).unwrap();
    assert_eq!(cleaned.matches("xlink:href=\"#").count(), 2);
    let nested =
        svg("<svg><pattern id='a'><rect fill='url(#b)'/></pattern><rect fill='url(#a)'/></svg>")
            .unwrap();
    assert_eq!(nested.matches("url(").count(), 1);
}
