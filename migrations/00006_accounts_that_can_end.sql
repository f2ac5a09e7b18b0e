-- +goose Up
ALTER TYPE user_role ADD VALUE 'staff' BEFORE 'admin';

ALTER TABLE users
    ADD COLUMN epoch            integer NOT NULL DEFAULT 0,
    ADD COLUMN epoch_changed_at timestamptz,
    ADD COLUMN blocked_at       timestamptz,
    ADD COLUMN closed_at        timestamptz,
    ALTER COLUMN email_key DROP NOT NULL,
    DROP CONSTRAINT users_email_length,
    ADD CONSTRAINT users_email_length CHECK (
        CASE WHEN closed_at IS NULL THEN length(email) BETWEEN 3 AND 254 ELSE email = '' END
    ),
    ADD CONSTRAINT users_closed_without_credentials CHECK (
        CASE WHEN closed_at IS NULL THEN email_key IS NOT NULL ELSE email_key IS NULL AND password_hash = '' END
    );
COMMENT ON COLUMN users.epoch IS 'Access tokens with a smaller epoch have ended.';
COMMENT ON COLUMN users.closed_at IS 'A closed account keeps its bookings and payments, without a name.';

-- Instances ask every two seconds which tokens have ended.
CREATE INDEX users_epoch_changed_at_idx ON users (epoch_changed_at, user_id) WHERE epoch_changed_at IS NOT NULL;

-- +goose Down
DROP INDEX users_epoch_changed_at_idx;

UPDATE users
SET email = 'closed-' || user_id || '@closed.invalid', email_key = 'closed-' || user_id || '@closed.invalid'
WHERE closed_at IS NOT NULL;

ALTER TABLE users
    DROP CONSTRAINT users_closed_without_credentials,
    DROP CONSTRAINT users_email_length,
    DROP COLUMN epoch,
    DROP COLUMN epoch_changed_at,
    DROP COLUMN blocked_at,
    DROP COLUMN closed_at,
    ALTER COLUMN email_key SET NOT NULL,
    ADD CONSTRAINT users_email_length CHECK (length(email) BETWEEN 3 AND 254);

-- An enum cannot lose a value. Staff become users.
ALTER TABLE users ALTER COLUMN role DROP DEFAULT;
ALTER TYPE user_role RENAME TO user_role_with_staff;
CREATE TYPE user_role AS ENUM ('user', 'admin');
ALTER TABLE users
    ALTER COLUMN role TYPE user_role
        USING (CASE role::text WHEN 'staff' THEN 'user' ELSE role::text END)::user_role,
    ALTER COLUMN role SET DEFAULT 'user';
DROP TYPE user_role_with_staff;
