// A client of the SDK that @hey-api/openapi-ts makes of the document. It is compiled, not run.

import { adminDeleteSeats, closeAccount, lockSeats, simulatePayment, streamWaitingRoom } from "./generated/hey-api";
import type { LockSeatsErrors } from "./generated/hey-api";

export async function lock(show_id: number, seat_ids: number[]): Promise<string> {
  const { data, error } = await lockSeats({
    headers: { "Idempotency-Key": crypto.randomUUID() },
    body: { show_id, seat_ids },
  });
  if (data) {
    return `${data.message}: ${data.amount.toFixed(2)} until ${data.expires_at}`;
  }
  switch (error?.code) {
    case undefined:
      return "no response";
    case "seats_unavailable": {
      const mine: number[] = error.held_by_you ?? [];
      return `taken: ${error.failed_seats.filter((seat) => !mine.includes(seat)).join()}`;
    }
    case "invalid_seats":
      return `not here: ${error.invalid_seats.join()}`;
    case "seat_cooling_down":
      return `again at ${error.retry_at}`;
    case "waiting_room":
      return `${error.users_ahead} ahead, ask ${error.status_url} in ${error.refresh_interval_seconds} s`;
    case "show_started":
      // @ts-expect-error: the seats belong to another code
      return error.failed_seats.join();
    // @ts-expect-error: no lock has this code
    case "payment_declined":
      return "declined";
    default:
      return `${error.code} ${error.request_id}: ${(error.details ?? [error.message]).join()}`;
  }
}

// The codes of one status alone.
export function conflict(error: LockSeatsErrors[409]): number[] {
  return error.code === "seats_unavailable" ? error.failed_seats : [];
}

export async function pay(booking_id: number, amount: number): Promise<string> {
  const { data, error } = await simulatePayment({ body: { booking_id, amount } });
  if (data) {
    return data.transaction_id;
  }
  switch (error?.code) {
    case "amount_mismatch":
      return pay(booking_id, error.expected_amount);
    case "payment_declined":
      return error.error;
    case "hold_expired":
      return `lock again: ${error.expired_seats.join()}`;
    default:
      return error?.code ?? "no response";
  }
}

export async function close(password: string): Promise<number[]> {
  const { error } = await closeAccount({ body: { password } });
  return error?.code === "has_upcoming_bookings" ? error.booking_ids : [];
}

export async function deleteSeats(venue_id: number): Promise<string[]> {
  const { error } = await adminDeleteSeats({
    path: { venue_id },
    body: { seats: [{ seat_row: "A", seat_number: 1 }] },
  });
  return error?.code === "seats_in_use" ? error.conflicting_seats.map((seat) => seat.seat_row + seat.seat_number) : [];
}

export async function follow(show_id: number): Promise<string | undefined> {
  const { stream } = await streamWaitingRoom({ path: { show_id }, headers: { "Last-Event-ID": "1" } });
  for await (const status of stream) {
    if (status.status === "admitted") {
      return status.admitted_until ?? undefined;
    }
  }
  return undefined;
}
