//! A table that reads well as it is and as Markdown.

pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const COLUMNS: usize>(head: [&str; COLUMNS]) -> Self {
        Self { rows: vec![head.map(str::to_owned).to_vec()] }
    }

    /// As many texts as the head has.
    pub(crate) fn row<const COLUMNS: usize>(&mut self, row: [String; COLUMNS]) {
        self.rows.push(row.to_vec());
    }

    /// Whether there is nothing below the head.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(crate) fn text(&self) -> String {
        let widths: Vec<usize> = (0..self.rows[0].len())
            .map(|column| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
            .collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, width) in row.iter().zip(&widths) {
                text.push_str(&format!("| {column:<width$} "));
            }
            text.push_str("|\n");
            if number == 0 {
                text.push_str(&widths.iter().map(|width| format!("|{}", "-".repeat(width + 2))).collect::<String>());
                text.push_str("|\n");
            }
        }
        text
    }
}
