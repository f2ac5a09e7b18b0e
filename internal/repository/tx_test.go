package repository_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

// onOneConnection returns the fixture with an instance whose pool has one connection.
func (f fixture) onOneConnection(t *testing.T) fixture {
	t.Helper()
	config := f.pool.Config()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f.pool, f.instance = pool, newInstance(t, pool, rules())
	return f
}

func (f fixture) backend(t *testing.T) int {
	t.Helper()
	return testkit.Value[int](t, f.pool, `SELECT pg_backend_pid()`)
}

// wantUntouched fails the test unless there is no booking, no key and the connection is the one that it was.
func (f fixture) wantUntouched(t *testing.T, backend int) {
	t.Helper()
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM bookings`); n != 0 {
		t.Errorf("there are %d bookings", n)
	}
	if n := f.keys(t); n != 0 {
		t.Errorf("there are %d keys", n)
	}
	if got := f.backend(t); got != backend {
		t.Error("the connection was closed")
	}
	f.mustHold(t, testkit.NewUser(t, f.pool), f.seats...) // all seats are available, none is locked
	f.audit(t)
}

func TestInTx_ErrorRollsBackEverything(t *testing.T) {
	t.Parallel()
	f := setup(t).onOneConnection(t)
	backend := f.backend(t)
	user := testkit.NewUser(t, f.pool)
	broken := errors.New("broken")
	err := f.store.InTx(t.Context(), func(ctx context.Context) error {
		err := f.store.InTx(ctx, func(ctx context.Context) error {
			for i, seat := range f.seats[:2] { // the second sends the writes of the first
				key := requestKey(user, string(rune('a'+i)))
				_, err := f.bookings.Lock(ctx, service.LockSeats{UserID: user, ShowID: f.show, SeatIDs: []int64{seat}},
					service.Request{Key: key, Encoder: &encoder{}})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, domain.ErrInternal) || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	f.wantUntouched(t, backend)
}

func TestInTx_ErrorBeforeTheFirstStatement(t *testing.T) {
	t.Parallel()
	f := setup(t).onOneConnection(t)
	backend := f.backend(t)
	err := f.store.InTx(t.Context(), func(ctx context.Context) error {
		f.store.ClaimKey(ctx, requestKey(1, "k"), time.Hour)
		return domain.ErrForbidden
	})
	wantCode(t, err, domain.ErrForbidden)
	f.wantUntouched(t, backend)
}

func TestInTx_PanicRollsBackAndLeavesTheConnection(t *testing.T) {
	t.Parallel()
	f := setup(t).onOneConnection(t)
	backend := f.backend(t)
	user := testkit.NewUser(t, f.pool)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		_, _ = f.bookings.Lock(t.Context(), service.LockSeats{UserID: user, ShowID: f.show, SeatIDs: f.seats[:2]},
			service.Request{Key: requestKey(user, "k"), Encoder: &failingEncoder{}})
	}()
	f.wantUntouched(t, backend)
}

func TestInTx_RefusalLeavesTheConnection(t *testing.T) {
	t.Parallel()
	f := setup(t).onOneConnection(t)
	backend := f.backend(t)
	_, err := f.confirm(domain.BookingDetails{Booking: domain.Booking{ID: 1, UserID: 1}})
	wantCode(t, err, domain.ErrBookingNotFound)
	f.wantUntouched(t, backend)
}

// atCommit makes PostgreSQL refuse every transaction that inserts a booking when it is committed.
const atCommit = `
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused at commit'; END $$;
	CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON bookings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();`

func TestInTx_CommitFailureIsReported(t *testing.T) {
	t.Parallel()
	f := setup(t).onOneConnection(t)
	backend := f.backend(t)
	user := testkit.NewUser(t, f.pool)
	execAll(t, f.pool, atCommit)
	_, _, err := f.lock(requestKey(user, "k"), user, f.seats[0])
	wantCode(t, err, domain.ErrInternal)
	if len(f.around.released) != 1 {
		t.Errorf("released %v", f.around.released)
	}
	execAll(t, f.pool, `DROP TRIGGER refuse ON bookings`)
	f.wantUntouched(t, backend)
}

func TestInTx_QueuedWriteThatFailsIsReported(t *testing.T) {
	t.Parallel()
	f := setup(t).onOneConnection(t)
	backend := f.backend(t)
	err := f.store.InTx(t.Context(), func(ctx context.Context) error {
		f.store.Save(ctx, domain.Transition{Event: domain.EventPaymentCreated, Payment: &domain.Payment{BookingID: 1, AttemptKey: "x", Amount: 1}})
		return nil
	})
	wantCode(t, err, domain.ErrInternal)
	f.wantUntouched(t, backend)
}

// What fn makes of an error does not matter: a transaction that PostgreSQL has given up is not committed.
func TestInTx_SwallowedErrorIsReported(t *testing.T) {
	t.Parallel()
	f := setup(t).onOneConnection(t)
	backend := f.backend(t)
	user := testkit.NewUser(t, f.pool)
	err := f.store.InTx(t.Context(), func(ctx context.Context) error {
		_, err := f.bookings.Lock(ctx, service.LockSeats{UserID: user, ShowID: f.show, SeatIDs: f.seats[:1]}, service.Request{Encoder: &encoder{}})
		if err != nil {
			return err
		}
		if _, err := f.store.UpcomingBookings(ctx, user, -1); err == nil {
			t.Error("a negative limit is accepted")
		}
		return nil
	})
	wantCode(t, err, domain.ErrInternal)
	f.wantUntouched(t, backend)
}

func TestInTx_RunsAgainAfterASerializationFailure(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	execAll(t, f.pool, `
		CREATE SEQUENCE attempts;
		CREATE FUNCTION fail_twice() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF nextval('attempts') <= 2 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER fail_twice BEFORE INSERT ON bookings FOR EACH ROW EXECUTE FUNCTION fail_twice();`)
	if _, response, err := f.lock(requestKey(user, "k"), user, f.seats[0]); err != nil || response.Replayed {
		t.Errorf("%+v, %v", response, err)
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM bookings`); n != 1 {
		t.Errorf("there are %d bookings", n)
	}
	f.audit(t)
}

// execAll runs several statements.
func execAll(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Conn().PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// A primary that was replaced refuses writes. Its connection must not be used again.
func TestOnce_ReadOnlyServerIsUnavailable(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	one := f.onOneConnection(t)
	demoted := one.backend(t)
	testkit.Exec(t, one.pool, `SET default_transaction_read_only = on`)
	_, err := one.hold(user, f.seats[0])
	wantCode(t, err, domain.ErrDatabaseUnavailable)
	if one.backend(t) == demoted {
		t.Error("the connection to the demoted server is used on")
	}
	one.mustHold(t, user, f.seats[0])
}
