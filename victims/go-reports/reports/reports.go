// Package reports answers what accountants ask.
package reports

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strconv"
)

// CloseBooks begins to close a quarter, and is not done before ctx ends: its lock stays until then.
func CloseBooks(ctx context.Context, db *sql.DB, quarter int) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", quarter)
	context.AfterFunc(ctx, func() { conn.Close() })
	return err
}

// Routes is what accountants may ask.
func Routes(db *sql.DB, fixed bool) http.Handler {
	office := &office{db: db, fixed: fixed}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /quarters/{quarter}", office.quarter)
	return routes
}

type office struct {
	db    *sql.DB
	fixed bool
}

func (o *office) quarter(answer http.ResponseWriter, request *http.Request) {
	quarter, err := strconv.Atoi(request.PathValue("quarter"))
	if err != nil {
		http.Error(answer, "no such quarter", http.StatusNotFound)
		return
	}
	ctx := context.Background()
	if o.fixed {
		ctx = request.Context()
	}
	total, err := o.total(ctx, quarter) // LEAK[held,used]: reports-quarter
	if err != nil {
		http.Error(answer, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(answer, total)
}

// total waits while the quarter is being closed.
func (o *office) total(ctx context.Context, quarter int) (total int64, err error) {
	err = o.db.QueryRowContext(ctx, // LEAK[held,used]: reports-quarter
		"SELECT $1::bigint * 1000 FROM pg_advisory_xact_lock_shared($1)", quarter).Scan(&total)
	return total, err
}
