package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// transaction is a database transaction that sends its statements as late as it can: BEGIN goes out with the first
// statements that are read, queued writes go out with the next ones or with COMMIT.
type transaction struct {
	conn  *pgxpool.Conn
	queue *pgx.Batch // statements that were not sent yet
}

type txKey struct{}

const rollbackTimeout = time.Second

var errNotCommitted = errors.New("the transaction was rolled back at its commit")

const longFactor = 5

// InTx runs fn in one transaction at READ COMMITTED: what fn does through this Store with the context that it
// receives is committed together or not at all. InTx rolls back on an error and on a panic, and runs fn again, a
// bounded number of times, after a serialization failure or a deadlock; so fn must have no effect outside the
// database. A nested InTx joins the outer one.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.inTx(ctx, s.options.QueryTimeout, fn)
}

// InLongTx is InTx for work on many rows, such as the seats of a venue in all of its shows, with a longer timeout.
func (s *Store) InLongTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.inTx(ctx, s.options.QueryTimeout*longFactor, fn)
}

func (s *Store) inTx(ctx context.Context, timeout time.Duration, fn func(ctx context.Context) error) error {
	if transactionFrom(ctx) != nil {
		return fn(ctx)
	}
	return s.withConn(ctx, timeout, func(ctx context.Context, conn *pgxpool.Conn) error {
		tx := &transaction{conn: conn, queue: &pgx.Batch{}}
		tx.queue.Queue("BEGIN")
		defer tx.rollback(ctx)
		if err := fn(context.WithValue(ctx, txKey{}, tx)); err != nil {
			return err
		}
		return tx.commit(ctx)
	})
}

func transactionFrom(ctx context.Context) *transaction {
	tx, _ := ctx.Value(txKey{}).(*transaction)
	return tx
}

func (tx *transaction) send(ctx context.Context, batch *pgx.Batch) error {
	all := &pgx.Batch{QueuedQueries: append(tx.queue.QueuedQueries, batch.QueuedQueries...)}
	tx.queue = &pgx.Batch{}
	if all.Len() == 0 {
		return nil
	}
	return tx.conn.SendBatch(ctx, all).Close()
}

func (tx *transaction) commit(ctx context.Context) error {
	commit := &pgx.Batch{}
	commit.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return errNotCommitted
		}
		return nil
	})
	return tx.send(ctx, commit)
}

func (tx *transaction) rollback(ctx context.Context) {
	const idle = 'I'
	if tx.conn.Conn().IsClosed() || tx.conn.Conn().PgConn().TxStatus() == idle {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	// The pool closes a connection that is still in a transaction when it is released.
	_, _ = tx.conn.Exec(ctx, "ROLLBACK")
}

// run calls fn with the transaction of ctx, or else with a connection of its own, on which each statement and each
// batch is a transaction by itself.
func (s *Store) run(ctx context.Context, fn func(ctx context.Context, q querier) error) error {
	if tx := transactionFrom(ctx); tx != nil {
		if err := tx.send(ctx, &pgx.Batch{}); err != nil {
			return err
		}
		return fn(ctx, tx.conn)
	}
	return s.withConn(ctx, s.options.QueryTimeout, func(ctx context.Context, conn *pgxpool.Conn) error {
		return fn(ctx, conn)
	})
}

func (s *Store) withinTx(ctx context.Context, fn func(ctx context.Context, q querier) error) error {
	return s.InTx(ctx, func(ctx context.Context) error { return s.run(ctx, fn) })
}

// send sends batch in one round trip, in the transaction of ctx or else as a transaction by itself.
func (s *Store) send(ctx context.Context, batch *pgx.Batch) error {
	if tx := transactionFrom(ctx); tx != nil {
		return tx.send(ctx, batch)
	}
	return s.run(ctx, func(ctx context.Context, q querier) error {
		return q.SendBatch(ctx, batch).Close()
	})
}

// enqueue adds a write to the transaction of ctx, to be sent with its next statements or with COMMIT.
func enqueue(ctx context.Context, sql string, args ...any) {
	transactionFrom(ctx).queue.Queue(sql, args...)
}
