-- +goose Up
CREATE TYPE booking_status AS ENUM ('PENDING', 'CONFIRMED', 'CANCELLED');
CREATE TYPE seat_status AS ENUM ('AVAILABLE', 'LOCKED', 'BOOKED');

CREATE TABLE shows (
    show_id     bigint GENERATED ALWAYS AS IDENTITY,
    event_id    bigint         NOT NULL,
    venue_id    bigint         NOT NULL,
    start_time  timestamptz    NOT NULL,
    end_time    timestamptz    NOT NULL,
    price       numeric(10, 2) NOT NULL,
    total_seats integer        NOT NULL DEFAULT 0,
    created_at  timestamptz    NOT NULL DEFAULT now(),
    deleted_at  timestamptz,
    CONSTRAINT shows_pkey PRIMARY KEY (show_id),
    CONSTRAINT shows_event_fkey FOREIGN KEY (event_id) REFERENCES events (event_id),
    CONSTRAINT shows_venue_fkey FOREIGN KEY (venue_id) REFERENCES venues (venue_id),
    CONSTRAINT shows_end_after_start CHECK (end_time > start_time),
    CONSTRAINT shows_price_positive CHECK (price > 0),
    CONSTRAINT shows_total_seats_not_negative CHECK (total_seats >= 0),
    -- One venue, one show at a time. The venue is written as a range of one value, which GiST
    -- indexes without the btree_gist extension. Back to back shows touch and do not overlap.
    CONSTRAINT shows_venue_busy EXCLUDE USING gist (
        int8range(venue_id, venue_id, '[]') WITH &&,
        tstzrange(start_time, end_time) WITH &&
    ) WHERE (deleted_at IS NULL)
);
COMMENT ON COLUMN shows.deleted_at IS 'A show that was ever paid for is hidden when it is deleted, and keeps the history of its bookings.';
COMMENT ON COLUMN shows.total_seats IS 'Number of show_seats rows, so that lists need not count them.';

CREATE INDEX shows_start_time_idx ON shows (start_time, show_id) WHERE deleted_at IS NULL;
CREATE INDEX shows_event_idx ON shows (event_id);
CREATE INDEX shows_venue_idx ON shows (venue_id);

CREATE TABLE bookings (
    booking_id    bigint GENERATED ALWAYS AS IDENTITY,
    user_id       bigint         NOT NULL,
    show_id       bigint         NOT NULL,
    status        booking_status NOT NULL DEFAULT 'PENDING',
    cancel_reason text,
    seat_count    smallint       NOT NULL,
    amount        numeric(12, 2) NOT NULL,
    lock_token    text           NOT NULL,
    created_at    timestamptz    NOT NULL DEFAULT now(),
    expires_at    timestamptz    NOT NULL,
    confirmed_at  timestamptz,
    cancelled_at  timestamptz,
    CONSTRAINT bookings_pkey PRIMARY KEY (booking_id),
    CONSTRAINT bookings_show_booking_key UNIQUE (show_id, booking_id),
    CONSTRAINT bookings_user_fkey FOREIGN KEY (user_id) REFERENCES users (user_id),
    CONSTRAINT bookings_show_fkey FOREIGN KEY (show_id) REFERENCES shows (show_id),
    CONSTRAINT bookings_seat_count_positive CHECK (seat_count > 0),
    CONSTRAINT bookings_amount_positive CHECK (amount > 0),
    CONSTRAINT bookings_cancel_reason_agrees CHECK (
        (status = 'CANCELLED') = (cancel_reason IS NOT NULL)
        AND (cancel_reason IS NULL OR cancel_reason IN ('user', 'expired', 'admin'))
    ),
    CONSTRAINT bookings_times_agree CHECK (
        (status = 'CANCELLED') = (cancelled_at IS NOT NULL)
        AND (status <> 'CONFIRMED' OR confirmed_at IS NOT NULL)
    )
);
COMMENT ON COLUMN bookings.lock_token IS 'The value of this hold''s Redis seat locks: any instance can release them, and only them.';

-- A user's bookings, newest first.
CREATE INDEX bookings_user_idx ON bookings (user_id, booking_id DESC);
-- The expiry sweep walks this one and finds nothing else in it.
CREATE INDEX bookings_pending_expiry_idx ON bookings (expires_at, booking_id) WHERE status = 'PENDING';
-- Seats taken per show and the version of its seat map, read from this index alone.
CREATE INDEX bookings_live_by_show_idx ON bookings (show_id)
    INCLUDE (booking_id, status, expires_at, seat_count) WHERE status <> 'CANCELLED';
-- A user's seats of one show, for the limit per user; and all bookings of a show, for its deletion.
CREATE INDEX bookings_show_user_idx ON bookings (show_id, user_id);
CREATE INDEX bookings_created_at_idx ON bookings (created_at);

-- The hot table. Room on every page and no index on a column that a lock changes keep the
-- updates HOT: no index entry is written when a seat is locked, booked or freed.
CREATE TABLE show_seats (
    show_id    bigint      NOT NULL,
    seat_id    bigint      NOT NULL,
    status     seat_status NOT NULL DEFAULT 'AVAILABLE',
    booking_id bigint,
    locked_at  timestamptz,
    CONSTRAINT show_seats_pkey PRIMARY KEY (show_id, seat_id),
    CONSTRAINT show_seats_show_fkey FOREIGN KEY (show_id) REFERENCES shows (show_id) ON DELETE CASCADE,
    CONSTRAINT show_seats_seat_fkey FOREIGN KEY (seat_id) REFERENCES seats (seat_id),
    -- With the show, so that the deletion of a booking finds its seats by the primary key: an index on
    -- booking_id would keep updates from being HOT.
    CONSTRAINT show_seats_booking_fkey FOREIGN KEY (show_id, booking_id) REFERENCES bookings (show_id, booking_id),
    CONSTRAINT show_seats_status_agrees CHECK (
        (status = 'AVAILABLE') = (booking_id IS NULL)
        AND (status = 'AVAILABLE') = (locked_at IS NULL)
    )
) WITH (fillfactor = 50);

-- For the deletion of seats. The second column makes it as good as the key for a seat of one show,
-- whichever of the two the planner picks.
CREATE INDEX show_seats_seat_idx ON show_seats (seat_id, show_id);

-- What a booking took and at what price: the history survives a cancel.
CREATE TABLE booking_seats (
    booking_id bigint         NOT NULL,
    seat_id    bigint         NOT NULL,
    price      numeric(10, 2) NOT NULL,
    CONSTRAINT booking_seats_pkey PRIMARY KEY (booking_id, seat_id),
    CONSTRAINT booking_seats_booking_fkey FOREIGN KEY (booking_id) REFERENCES bookings (booking_id) ON DELETE CASCADE,
    CONSTRAINT booking_seats_seat_fkey FOREIGN KEY (seat_id) REFERENCES seats (seat_id),
    CONSTRAINT booking_seats_price_positive CHECK (price > 0)
);

CREATE INDEX booking_seats_seat_idx ON booking_seats (seat_id);

-- One row per attempt to pay, written before money moves.
CREATE TABLE payments (
    payment_id          bigint GENERATED ALWAYS AS IDENTITY,
    booking_id          bigint         NOT NULL,
    attempt_key         text           NOT NULL,
    amount              numeric(12, 2) NOT NULL,
    status              text           NOT NULL,
    transaction_id      text,
    created_at          timestamptz    NOT NULL DEFAULT now(),
    attempted_at        timestamptz    NOT NULL DEFAULT now(),
    paid_at             timestamptz,
    refund_requested_at timestamptz,
    refunded_at         timestamptz,
    next_check_at       timestamptz    NOT NULL DEFAULT now(),
    checks              integer        NOT NULL DEFAULT 0,
    CONSTRAINT payments_pkey PRIMARY KEY (payment_id),
    CONSTRAINT payments_booking_fkey FOREIGN KEY (booking_id) REFERENCES bookings (booking_id) ON DELETE CASCADE,
    CONSTRAINT payments_amount_positive CHECK (amount > 0),
    CONSTRAINT payments_status_known CHECK (status IN ('created', 'succeeded', 'failed', 'refund_pending', 'refunded')),
    CONSTRAINT payments_charged_agrees CHECK (
        (status IN ('created', 'failed')) = (transaction_id IS NULL)
        AND (transaction_id IS NULL) = (paid_at IS NULL)
    ),
    CONSTRAINT payments_refund_agrees CHECK (
        (status IN ('refund_pending', 'refunded')) = (refund_requested_at IS NOT NULL)
        AND (status = 'refunded') = (refunded_at IS NOT NULL)
    ),
    CONSTRAINT payments_attempt_key_key UNIQUE (attempt_key),
    CONSTRAINT payments_transaction_key UNIQUE (transaction_id)
);
COMMENT ON COLUMN payments.attempt_key IS 'Identifies the attempt to the provider, which charges once for it.';
COMMENT ON COLUMN payments.attempted_at IS 'When the provider was last asked to charge.';
COMMENT ON COLUMN payments.next_check_at IS 'When a job next looks at a payment that is created or refund_pending.';

CREATE UNIQUE INDEX payments_one_open_per_booking ON payments (booking_id) WHERE status IN ('created', 'succeeded');
CREATE INDEX payments_booking_idx ON payments (booking_id);
CREATE INDEX payments_due_idx ON payments (next_check_at) WHERE status IN ('created', 'refund_pending');

-- The simulated payment provider's own record. Nothing of ours refers to it.
CREATE TABLE simulated_charges (
    attempt_key    text           NOT NULL,
    amount         numeric(12, 2) NOT NULL,
    state          text           NOT NULL,
    transaction_id text,
    created_at     timestamptz    NOT NULL DEFAULT now(),
    refunded_at    timestamptz,
    CONSTRAINT simulated_charges_pkey PRIMARY KEY (attempt_key),
    CONSTRAINT simulated_charges_state_known CHECK (state IN ('succeeded', 'declined')),
    CONSTRAINT simulated_charges_transaction_agrees CHECK ((state = 'succeeded') = (transaction_id IS NOT NULL))
);

-- +goose Down
DROP TABLE simulated_charges;
DROP TABLE payments;
DROP TABLE booking_seats;
DROP TABLE show_seats;
DROP TABLE bookings;
DROP TABLE shows;
DROP TYPE seat_status;
DROP TYPE booking_status;
