//! From a typed sentence to the words that the networks know.

/// What is split off, in this order: endings of contractions, then marks. In MR three marks carry a backslash, which
/// an escape in the published script left there; a network has learnt them so.
const SPLIT: [(&str, &str); 11] = [
    ("'s", " 's"),
    ("'ve", " 've"),
    ("n't", " n't"),
    ("'re", " 're"),
    ("'d", " 'd"),
    ("'ll", " 'll"),
    (",", " , "),
    ("!", " ! "),
    ("(", r" \( "),
    (")", r" \) "),
    ("?", r" \? "),
];

/// The tokens of a text in English, possibly none: `clean_str` of TextCNN (Kim, EMNLP 2014), with which MR was made.
///
/// Letters become small; of everything but `a`–`z`, digits, the marks `( ) , ! ?`, apostrophe and backtick a blank is made. Two steps more than
/// the original, neither of which changes a token of MR: capitals become small before contractions are looked for, and
/// the apostrophe ’ that phones write is taken for '.
pub fn tokens(text: &str) -> Vec<String> {
    let cleaned: String = text.chars().map(known).collect();
    let split = SPLIT.iter().fold(cleaned, |text, (from, to)| text.replace(from, to));
    split.split_whitespace().map(str::to_owned).collect()
}

fn known(c: char) -> char {
    match c.to_ascii_lowercase() {
        '‘' | '’' => '\'',
        c if c.is_ascii_alphanumeric() || "(),!?'`".contains(c) => c,
        _ => ' ',
    }
}
