package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// hot is a statement that runs for every event: the driver's own, without
// database/sql between, with arguments that are used again and again.
type hot struct {
	st interface {
		driver.Stmt
		driver.StmtExecContext
	}
	args []driver.NamedValue
}

// prepareHot prepares a statement on the writer's connection, as sql.Conn.Raw gives
// it, until the writer is closed.
func (w *writer) prepareHot(conn any, query string) (*hot, error) {
	c, ok := conn.(driver.ConnPrepareContext)
	if !ok {
		return nil, fmt.Errorf("the driver's connection is a %T", conn)
	}
	st, err := c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	h := &hot{}
	if h.st, ok = st.(interface {
		driver.Stmt
		driver.StmtExecContext
	}); !ok {
		return nil, fmt.Errorf("the driver's statement is a %T", st)
	}
	w.hot = append(w.hot, h)
	return h, nil
}

// exec runs the statement with values of the driver's types: int64, bool, string, []byte.
func (h *hot) exec(values ...driver.Value) error {
	_, err := h.change(values...)
	return err
}

// change is exec, and says how many rows changed.
func (h *hot) change(values ...driver.Value) (int64, error) {
	for i, v := range values {
		if i == len(h.args) {
			h.args = append(h.args, driver.NamedValue{Ordinal: i + 1})
		}
		h.args[i].Value = v
	}
	r, err := h.st.ExecContext(context.Background(), h.args)
	for i := range h.args {
		h.args[i].Value = nil // it may be large
	}
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}
