//! The files in a file of Word's: styles, lists, pictures, what links lead to. Pure.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::escaped;

const STYLES: &str = include_str!("styles.xml");

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const WORD: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
const DRAWING: &str = "http://schemas.openxmlformats.org/drawingml/2006";

/// Relations of every document: styles, lists, settings, footer.
const FIXED: [(&str, &str); 4] = [
    ("styles", "styles.xml"),
    ("numbering", "numbering.xml"),
    ("settings", "settings.xml"),
    ("footer", "footer1.xml"),
];

/// What the text refers to.
#[derive(Default)]
pub(super) struct Package {
    /// Name and content.
    pictures: Vec<(String, Vec<u8>)>,
    /// Kind, target and whether it is outside, of each relation after [`FIXED`].
    relations: Vec<(&'static str, String, bool)>,
    /// The first number of each list, none for one without numbers, and how deep it is.
    lists: Vec<(Option<u64>, usize)>,
}

impl Package {
    /// Takes a picture up; says its relation, none for a format that Word does not show.
    pub(super) fn picture(&mut self, mime: &str, bytes: &[u8]) -> Option<String> {
        let ending = match mime {
            "image/png" => "png",
            "image/jpeg" => "jpeg",
            "image/gif" => "gif",
            _ => return None,
        };
        let name = format!("media/image{}.{ending}", self.pictures.len() + 1);
        self.pictures.push((name.clone(), bytes.to_vec()));
        Some(self.relation("image", name, false))
    }

    /// The relation of a place on the web.
    pub(super) fn address(&mut self, address: &str) -> String {
        self.relation("hyperlink", address.to_owned(), true)
    }

    /// The number of a new list.
    pub(super) fn list(&mut self, start: Option<u64>, depth: usize) -> usize {
        self.lists.push((start, depth.min(8)));
        self.lists.len()
    }

    fn relation(&mut self, kind: &'static str, target: String, is_outside: bool) -> String {
        self.relations.push((kind, target, is_outside));
        format!("rId{}", FIXED.len() + self.relations.len())
    }

    /// The whole file; `body` is what stands in the document.
    pub(super) fn zipped(self, body: &str, title: &str, language: &str) -> Vec<u8> {
        let document = format!(
            "{HEAD}<w:document xmlns:w=\"{WORD}\" xmlns:r=\"{OFFICE}\" xmlns:wp=\"{DRAWING}/wordprocessingDrawing\" xmlns:a=\"{DRAWING}/main\" xmlns:pic=\"{DRAWING}/picture\"><w:body>{body}\
             <w:sectPr><w:footerReference w:type=\"default\" r:id=\"rId4\"/><w:pgSz w:w=\"11906\" w:h=\"16838\"/><w:pgMar w:top=\"1300\" w:right=\"1300\" w:bottom=\"1300\" w:left=\"1300\" w:header=\"600\" w:footer=\"600\" w:gutter=\"0\"/></w:sectPr></w:body></w:document>"
        );
        let language = escaped(language);
        let styles = format!("{HEAD}{}", STYLES.trim().replace("LANGUAGE", &language));
        let files = [
            ("[Content_Types].xml", content_types()),
            ("_rels/.rels", roots()),
            ("docProps/core.xml", properties(title, &language)),
            ("word/document.xml", document),
            ("word/styles.xml", styles),
            ("word/numbering.xml", self.numbering()),
            (
                "word/settings.xml",
                format!(
                    "{HEAD}<w:settings xmlns:w=\"{WORD}\"><w:compat><w:compatSetting w:name=\"compatibilityMode\" w:uri=\"http://schemas.microsoft.com/office/word\" w:val=\"15\"/></w:compat></w:settings>"
                ),
            ),
            ("word/footer1.xml", footer()),
            ("word/_rels/document.xml.rels", self.relations()),
        ];
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        let pictures =
            self.pictures.iter().map(|(name, bytes)| (format!("word/{name}"), bytes.as_slice()));
        let texts = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes()));
        for (name, bytes) in texts.chain(pictures) {
            zip.start_file(name, options).expect("a name of ours, and memory to write to");
            zip.write_all(bytes).expect("memory takes all that is written");
        }
        zip.finish().expect("memory takes all that is written").into_inner()
    }

    fn relations(&self) -> String {
        let fixed = FIXED.iter().map(|(kind, target)| (*kind, (*target).to_owned(), false));
        let all = fixed.chain(self.relations.iter().cloned()).enumerate().map(
            |(at, (kind, target, is_outside))| {
                let mode = if is_outside { " TargetMode=\"External\"" } else { "" };
                format!(
                    "<Relationship Id=\"rId{}\" Type=\"{OFFICE}/{kind}\" Target=\"{}\"{mode}/>",
                    at + 1,
                    escaped(&target)
                )
            },
        );
        format!(
            "{HEAD}<Relationships xmlns=\"{RELATIONS}\">{}</Relationships>",
            all.collect::<String>()
        )
    }

    /// Two kinds of lists, and the lists of the text, each of which begins anew.
    fn numbering(&self) -> String {
        let level = |depth: usize, kind: &str, text: &str| {
            let indent = 360 * (depth + 1);
            format!(
                "<w:lvl w:ilvl=\"{depth}\"><w:start w:val=\"1\"/><w:numFmt w:val=\"{kind}\"/><w:lvlText w:val=\"{text}\"/><w:lvlJc w:val=\"left\"/><w:pPr><w:ind w:left=\"{indent}\" w:hanging=\"360\"/></w:pPr></w:lvl>"
            )
        };
        let bullets: String = (0..9).map(|depth| level(depth, "bullet", "•")).collect();
        let numbers: String =
            (0..9).map(|depth| level(depth, "decimal", &format!("%{}.", depth + 1))).collect();
        let lists = self.lists.iter().enumerate().map(|(at, (start, depth))| {
            let number = at + 1;
            match start {
                None => format!("<w:num w:numId=\"{number}\"><w:abstractNumId w:val=\"0\"/></w:num>"),
                Some(start) => format!("<w:num w:numId=\"{number}\"><w:abstractNumId w:val=\"1\"/><w:lvlOverride w:ilvl=\"{depth}\"><w:startOverride w:val=\"{start}\"/></w:lvlOverride></w:num>"),
            }
        });
        format!(
            "{HEAD}<w:numbering xmlns:w=\"{WORD}\"><w:abstractNum w:abstractNumId=\"0\"><w:multiLevelType w:val=\"multilevel\"/>{bullets}</w:abstractNum>\
             <w:abstractNum w:abstractNumId=\"1\"><w:multiLevelType w:val=\"multilevel\"/>{numbers}</w:abstractNum>{}</w:numbering>",
            lists.collect::<String>()
        )
    }
}

/// A picture in a paragraph of its own, which stays with its caption.
pub(super) fn drawing(relation: String, id: usize, width: u64, height: u64, alt: &str) -> String {
    format!(
        "<w:p><w:pPr><w:pStyle w:val=\"Picture\"/></w:pPr><w:r><w:drawing><wp:inline distT=\"0\" distB=\"0\" distL=\"0\" distR=\"0\">\
         <wp:extent cx=\"{width}\" cy=\"{height}\"/><wp:docPr id=\"{id}\" name=\"Picture {id}\" descr=\"{alt}\"/>\
         <a:graphic><a:graphicData uri=\"{DRAWING}/picture\"><pic:pic><pic:nvPicPr><pic:cNvPr id=\"{id}\" name=\"Picture {id}\" descr=\"{alt}\"/><pic:cNvPicPr/></pic:nvPicPr>\
         <pic:blipFill><a:blip r:embed=\"{relation}\"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>\
         <pic:spPr><a:xfrm><a:off x=\"0\" y=\"0\"/><a:ext cx=\"{width}\" cy=\"{height}\"/></a:xfrm><a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>"
    )
}

fn content_types() -> String {
    let defaults = [
        ("rels", "application/vnd.openxmlformats-package.relationships+xml"),
        ("xml", "application/xml"),
        ("png", "image/png"),
        ("jpeg", "image/jpeg"),
        ("gif", "image/gif"),
    ];
    let defaults = defaults
        .iter()
        .map(|(ending, kind)| format!("<Default Extension=\"{ending}\" ContentType=\"{kind}\"/>"));
    let word = "application/vnd.openxmlformats-officedocument.wordprocessingml";
    let parts = [
        ("document", "document.main"),
        ("styles", "styles"),
        ("numbering", "numbering"),
        ("settings", "settings"),
        ("footer1", "footer"),
    ];
    let parts = parts.iter().map(|(name, kind)| {
        format!("<Override PartName=\"/word/{name}.xml\" ContentType=\"{word}.{kind}+xml\"/>")
    });
    let core = "<Override PartName=\"/docProps/core.xml\" ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/>";
    let all: String = defaults.chain(parts).collect();
    format!(
        "{HEAD}<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">{all}{core}</Types>"
    )
}

fn roots() -> String {
    format!(
        "{HEAD}<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"word/document.xml\"/>\
         <Relationship Id=\"rId2\" Type=\"{RELATIONS}/metadata/core-properties\" Target=\"docProps/core.xml\"/></Relationships>"
    )
}

fn properties(title: &str, language: &str) -> String {
    format!(
        "{HEAD}<cp:coreProperties xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/metadata/core-properties\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\
         <dc:title>{}</dc:title><dc:creator>Datarus</dc:creator><dc:language>{language}</dc:language></cp:coreProperties>",
        escaped(title)
    )
}

fn footer() -> String {
    let field = |name: &str| {
        format!("<w:fldSimple w:instr=\" {name} \"><w:r><w:t>1</w:t></w:r></w:fldSimple>")
    };
    format!(
        "{HEAD}<w:ftr xmlns:w=\"{WORD}\"><w:p><w:pPr><w:pStyle w:val=\"Footer\"/></w:pPr>{}<w:r><w:t xml:space=\"preserve\"> / </w:t></w:r>{}</w:p></w:ftr>",
        field("PAGE"),
        field("NUMPAGES")
    )
}
