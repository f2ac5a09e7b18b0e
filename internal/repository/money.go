package repository

import (
	"database/sql/driver"
	"fmt"
	"math/big"

	"github.com/jackc/pgx/v5/pgtype"

	"evently/internal/domain"
)

// numeric lets domain.Money travel as PostgreSQL's numeric without ever being a float.
// It is a pgtype.NumericScanner, a pgtype.NumericValuer and a driver.Valuer.
type numeric domain.Money

// cents is the exponent of Money: hundredths.
const cents = -2

// ScanNumeric reads a numeric of at most two decimals. NULL is an error: no amount is unknown.
func (n *numeric) ScanNumeric(v pgtype.Numeric) error {
	if !v.Valid || v.NaN || v.InfinityModifier != pgtype.Finite || v.Int == nil {
		return fmt.Errorf("not an amount of money: %+v", v)
	}
	units := new(big.Int).Set(v.Int)
	ten := big.NewInt(10)
	for exp := v.Exp; exp > cents; exp-- {
		units.Mul(units, ten)
	}
	for exp := v.Exp; exp < cents; exp++ {
		var rest big.Int
		units.QuoRem(units, ten, &rest)
		if rest.Sign() != 0 {
			return fmt.Errorf("more than two decimals: %v", v)
		}
	}
	if !units.IsInt64() {
		return fmt.Errorf("too large: %v", v)
	}
	*n = numeric(units.Int64())
	return nil
}

// NumericValue gives the amount as PostgreSQL stores it.
func (n numeric) NumericValue() (pgtype.Numeric, error) {
	return pgtype.Numeric{Int: big.NewInt(int64(n)), Exp: cents, Valid: true}, nil
}

// Value gives the amount in digits. pgx asks for it where it has not prepared the statement (with
// default_query_exec_mode=exec) and so does not know that the parameter is a numeric; it would send
// the number of hundredths otherwise.
func (n numeric) Value() (driver.Value, error) {
	return domain.Money(n).String(), nil
}
