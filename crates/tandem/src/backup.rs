//! A copy of the embedded database, beside a running service.

use std::path::{Path, PathBuf};

use tandem_store::Db;

use crate::run::configuration;
use tandem_api::program::config::Database;
use tandem_api::program::serve::place;

/// Copy the embedded database into a new file.
pub fn copy(file: Option<PathBuf>, target: &Path) -> Result<(), String> {
    let config = configuration(file)?;
    if let Database::Sqlite { path } = &config.database
        && !path.is_file()
    {
        return Err(format!("{}: there is no database", path.display()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let db = Db::connect(&place(&config), 1)
            .await
            .map_err(|error| error.to_string())?;
        let copied = db.copy_to(target).await;
        db.close().await;
        copied.map_err(|error| error.to_string())
    })?;
    print_line!("{}: the database as it is now", target.display());
    print_line!(
        "The copy does not contain the master key: back up {} separately",
        master_key(&config.data_dir)
    );
    Ok(())
}

fn master_key(data_dir: &Path) -> String {
    let file = data_dir.join("master.key");
    if file.is_file() {
        file.display().to_string()
    } else {
        "TANDEM_MASTER_KEY".to_owned()
    }
}
