package repository

import (
	"database/sql/driver"
	"fmt"
	"math/big"

	"github.com/jackc/pgx/v5/pgtype"

	"evently/internal/domain"
)

// numeric reads and writes domain.Money as PostgreSQL's numeric, never as a float.
type numeric domain.Money

const cents = -2

// ScanNumeric implements pgtype.NumericScanner. NULL and more than two decimals are errors.
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

func (n numeric) NumericValue() (pgtype.Numeric, error) {
	return pgtype.Numeric{Int: big.NewInt(int64(n)), Exp: cents, Valid: true}, nil
}

// Value implements driver.Valuer. pgx uses it with default_query_exec_mode=exec, where it does not know that the
// parameter is a numeric and would send the number of cents.
func (n numeric) Value() (driver.Value, error) {
	return domain.Money(n).String(), nil
}
