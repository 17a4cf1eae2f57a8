package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate migrates the schema, on a connection of its own. step is called before each step of an existing store's.
func migrate(ctx context.Context, path string, log *slog.Logger, step func(from, newest int64)) (err error) {
	db, err := open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	p, err := provider(db)
	if err != nil {
		return err
	}
	current, newest, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("the file isn't a relay's database, or it is damaged: %w", err)
	}
	if current > newest {
		return fmt.Errorf("the file has schema version %d, but this relay supports %d at most: a newer relay wrote it (run that version, or restore the backup made before the upgrade)", current, newest)
	}
	if current == newest {
		return nil
	}
	if current == 0 {
		log.Debug("creating the store", "path", path, "version", newest)
		_, err = p.Up(ctx)
		return err
	}
	return upgrade(ctx, p, path, current, newest, log, step)
}

func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
}

// newestSchema is the schema version that this relay writes.
func newestSchema() (newest int64, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	for _, name := range names {
		version, notNumeric := goose.NumericComponent(name)
		err, newest = errors.Join(err, notNumeric), max(newest, version)
	}
	return newest, err
}

// upgrade runs the missing migrations one by one. It logs each before it begins: on a large file one
// may take minutes.
func upgrade(ctx context.Context, p *goose.Provider, path string, current, newest int64, log *slog.Logger, step func(from, newest int64)) error {
	var size int64
	if info, err := os.Stat(path); err == nil {
		size = info.Size()
	}
	log.Warn("migrating the store; the relay starts once it is done", "path", path, "bytes", size, "from", current, "to", newest)
	began := time.Now()
	for version := current; version < newest; {
		step(version, newest)
		log.Info("store migration begins", "path", path, "from", version, "of", newest)
		r, err := p.UpByOne(ctx)
		if err != nil {
			return fmt.Errorf("migrating from schema version %d: %w (nothing of it was written; the next start retries)", version, err)
		}
		version = r.Source.Version
		log.Info("store migration done", "path", path, "version", version, "of", newest, "took", r.Duration)
	}
	log.Warn("store migrated", "path", path, "from", current, "to", newest, "took", time.Since(began))
	return nil
}
