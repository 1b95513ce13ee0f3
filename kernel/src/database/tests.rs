//! What a connection string says, and what is never said of it.

use super::*;

fn of(text: &str) -> Database {
    Database::read("sales", text).unwrap()
}

#[test]
fn a_connection_string_is_read_as_other_tools_read_it() {
    let found = of("postgresql://me:p%40ss%2F@db.example:6543/shop?sslmode=verify-full&write=on");
    assert_eq!(found.dialect, Dialect::PostgreSql);
    assert_eq!(found.place, Place::Host("db.example".into(), 6543));
    assert_eq!((found.user.as_str(), found.schema.as_str()), ("me", "shop"));
    assert_eq!(found.password.expose(), b"p@ss/");
    assert_eq!((found.encryption, found.writable), (Encryption::VerifyFull, true));
    let found = of("mysql+pymysql://me@[::1]/shop");
    assert_eq!(found.place, Place::Host("::1".into(), 3306));
    assert_eq!((found.encryption, found.writable), (Encryption::Prefer, false));
    let found = of("postgres://me@localhost/shop?host=/run/postgresql");
    assert_eq!(found.place, Place::Socket("/run/postgresql/.s.PGSQL.5432".into()));
    let found = of("mariadb://me:x@localhost/shop?unix_socket=/run/my.sock");
    assert_eq!(found.place, Place::Socket("/run/my.sock".into()));
}

#[test]
fn what_is_wrong_is_said_without_the_secret() {
    for (text, expected) in [
        ("hunter2", "expected `postgresql://USER"),
        ("oracle://me:hunter2@h/d", "found another scheme"),
        ("sqlite:///hunter2.db", "name it as one, as with `--data FILE`"),
        ("postgresql://me:hunter2@/d", "expected `postgresql://USER"),
        ("postgresql://:hunter2@h/d", "expected `postgresql://USER"),
        ("postgresql://me:hunter2/3@h/d", "expected `postgresql://USER"),
        ("postgresql://me:hunter2%00@h/d", "expected `postgresql://USER"),
        ("postgresql://me:hunter2%FF@h/d", "expected `postgresql://USER"),
        ("mysql://me:hunter2@h:1000000/d", "expected `postgresql://USER"),
        ("mysql://me:hunter2@h/d?sslmode=hunter2", "disable, prefer, require or verify-full"),
        ("mysql://me:hunter2@h/d?write=hunter2", "`write` to be on or off"),
        ("mysql://me:hunter2@h/d?charset=hunter2", "found `charset`"),
    ] {
        let said = Database::read("sales", text).unwrap_err();
        assert!(said.contains(expected) && said.contains("`sales`"), "{text}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let typed: Typed = "sales=postgresql://me:hunter2@h/d".parse().unwrap();
    let (name, url) = typed.parts();
    let found = Database::read(name, url.unwrap()).unwrap();
    for shown in [format!("{typed:?}"), format!("{found:?}"), found.in_words()] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(found.in_words(), "sales (PostgreSQL, read only)");
}

#[test]
fn a_name_is_one_that_a_variable_can_have() {
    for (name, fits) in [
        ("sales", true),
        ("Sales_2", true),
        ("_sales", false),
        ("2sales", false),
        ("größe", false),
        ("my-db", false),
        ("class", false),
        ("", false),
    ] {
        assert_eq!(is_name(name), fits, "{name}");
    }
}
