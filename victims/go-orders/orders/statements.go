package orders

import (
	"context"
	"database/sql"
	"fmt"
)

func (d *Desk) begin(ctx context.Context, options *sql.TxOptions) (*sql.Tx, error) {
	tx, err := d.db.BeginTx(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	return tx, nil
}

func stockOf(ctx context.Context, tx *sql.Tx, item int) (quantity int, err error) {
	err = tx.QueryRowContext(ctx, "SELECT quantity FROM stock WHERE item = ?", item).Scan(&quantity)
	return quantity, err
}

func insert(ctx context.Context, tx *sql.Tx, order Order) (int64, error) {
	result, err := tx.ExecContext(ctx, "INSERT INTO orders (item, quantity) VALUES (?, ?)", order.Item, order.Quantity)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}
