package config_test

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"evently/internal/config"
)

func TestLoad_ProductionIsTheDefault(t *testing.T) {
	t.Parallel()
	if _, err := config.Load(valid("JWT_SECRET="), config.NeedServe); err == nil || !strings.Contains(err.Error(), "JWT_SECRET: is required in production") {
		t.Errorf("without APP_ENV: %v", err)
	}
}

func TestLoad_ProductionRefusesWeakSecrets(t *testing.T) {
	t.Parallel()
	admin := "ADMIN_EMAIL=a@b.example"
	tests := map[string]struct {
		changes []string
		want    string // "" loads
	}{
		"strong":                       {[]string{admin, "ADMIN_PASSWORD=" + storePassword}, ""},
		"hex":                          {[]string{"JWT_SECRET=9f86d081884c7d659a2feaa0c55ad015"}, ""},
		"a letter 32 times":            {[]string{"JWT_SECRET=" + strings.Repeat("x", 32)}, "JWT_SECRET: is too easy to guess"},
		"three letters repeated":       {[]string{"JWT_SECRET=" + strings.Repeat("abc", 16)}, "JWT_SECRET: is too easy to guess"},
		"a name repeated":              {[]string{"JWT_SECRET=" + strings.Repeat("evently-", 5)}, "JWT_SECRET: is too easy to guess"},
		"digits in sequence":           {[]string{"JWT_SECRET=" + strings.Repeat("1234567890", 4)}, "JWT_SECRET: is too easy to guess"},
		"all hexadecimal digits":       {[]string{"JWT_SECRET=0123456789abcdef0123456789abcdef"}, "JWT_SECRET: is too easy to guess"},
		"pairs":                        {[]string{"JWT_SECRET=aaaabbbbccccddddeeeeffffgggghhhh"}, "JWT_SECRET: is too easy to guess"},
		"the second is weak":           {[]string{"JWT_SECRET=" + strongSecret + "," + strings.Repeat("ab", 20)}, "JWT_SECRET: is too easy to guess"},
		"example":                      {[]string{"JWT_SECRET=Change-Me-to-the-output-of-openssl-rand-base64-48"}, "JWT_SECRET: is one of the examples"},
		"words that are tried first":   {[]string{"JWT_SECRET=my-super-secret-key-for-signing-tokens"}, "JWT_SECRET: is too easy to guess"},
		"the example of jwt.io":        {[]string{"JWT_SECRET=a-string-secret-at-least-256-bits-long"}, "JWT_SECRET: is too easy to guess"},
		"keys in rows":                 {[]string{"JWT_SECRET=qwertyuiopasdfghjklzxcvbnmqwerty"}, "JWT_SECRET: is too easy to guess"},
		"keys in columns":              {[]string{"JWT_SECRET=1q2w3e4r5t6y7u8i9o0p1q2w3e4r5t6y"}, "JWT_SECRET: is too easy to guess"},
		"words without spaces":         {[]string{"JWT_SECRET=supersecretjwtkeythatnobodyknows"}, "JWT_SECRET: is too easy to guess"},
		"a common word and digits":     {[]string{"JWT_SECRET=iloveyouiloveyou1234567890123456"}, "JWT_SECRET: is too easy to guess"},
		"admin's common word":          {[]string{admin, "ADMIN_PASSWORD=Welcome2024!"}, "ADMIN_PASSWORD: is too easy to guess"},
		"admin's common phrase":        {[]string{admin, "ADMIN_PASSWORD=letmein12345"}, "ADMIN_PASSWORD: is too easy to guess"},
		"challenge of the vendor":      {[]string{"CHALLENGE_URL=https://c.example", "CHALLENGE_SECRET=1x0000000000000000000000000000000AA"}, "CHALLENGE_SECRET: is too easy"},
		"challenge in clear":           {[]string{"CHALLENGE_URL=http://c.example", "CHALLENGE_SECRET=" + storePassword}, "CHALLENGE_URL: must be https"},
		"a word and a random text":     {[]string{"JWT_SECRET=the-secret-" + strongSecret}, ""},
		"admin's example":              {[]string{admin, "ADMIN_PASSWORD=change-me-too"}, "ADMIN_PASSWORD: is one of the examples"},
		"admin of evently dev":         {[]string{admin, "ADMIN_PASSWORD=admin-password-123"}, "ADMIN_PASSWORD: is too easy to guess"},
		"admin's short one":            {[]string{admin, "ADMIN_PASSWORD=K7QX2MZ4VRA"}, ""},
		"admin's common one":           {[]string{admin, "ADMIN_PASSWORD=SonyEricsson"}, "ADMIN_PASSWORD: is one of the 10,000 commonest"},
		"admin's repeated one":         {[]string{admin, "ADMIN_PASSWORD=adminadminadmin"}, "ADMIN_PASSWORD: is too easy to guess"},
		"database's example":           {[]string{"DATABASE_URL=postgres://evently:evently@db/evently"}, "DATABASE_URL: its password must have at least 8 bytes"},
		"database's user":              {[]string{"DATABASE_URL=postgres://evently_app:evently_app@db/evently"}, "DATABASE_URL: its password is the name of its user"},
		"database's common one":        {[]string{"DATABASE_URL=postgres://evently:trustno1@db/evently"}, "DATABASE_URL: its password is one of the 10,000 commonest"},
		"database's as a parameter":    {[]string{"DATABASE_URL=postgres://evently@db/evently?password=postgres"}, "DATABASE_URL: its password"},
		"database on this machine":     {[]string{"DATABASE_URL=postgres://evently:evently@localhost/evently"}, ""},
		"database behind a socket":     {[]string{"DATABASE_URL=postgres://evently:evently@/evently?host=/run/postgresql"}, ""},
		"database without one":         {[]string{"DATABASE_URL=postgres://evently@db/evently"}, ""},
		"of migrations":                {[]string{"MIGRATE_DATABASE_URL=postgres://u:changeme@db/evently"}, "MIGRATE_DATABASE_URL: its password is one of the examples"},
		"Redis":                        {[]string{"REDIS_URL=redis://:password@cache:6379"}, "REDIS_URL: its password is one of the 10,000 commonest"},
		"second node of a cluster":     {[]string{"REDIS_URL=redis://:" + storePassword + "@a:6379,redis://:aaaaaaaa@b:6379"}, "REDIS_URL: its password is too easy to guess"},
		"all of them in development":   {[]string{"APP_ENV=development", "JWT_SECRET=x", admin, "ADMIN_PASSWORD=password", "REDIS_URL=redis://:x@cache:6379"}, ""},
		"outcomes in development":      {[]string{"APP_ENV=development"}, ""},
		"outcomes where it is allowed": {[]string{"PAYMENT_SIMULATED_OUTCOMES=true"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := config.Load(valid(tt.changes...), config.NeedServe)
			switch {
			case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			case strings.HasPrefix(name, "outcomes") && !c.OutcomesAllowed():
				t.Error("outcomes are not allowed")
			}
		})
	}
}

// Random secrets must pass, or people would look for weaker ones.
func TestLoad_ProductionTakesRandomSecrets(t *testing.T) {
	t.Parallel()
	for range 200 {
		hex := randomOf("0123456789abcdef", 32)
		password := randomOf("abcdefghijklmnopqrstuvwxyz0123456789", 16)
		_, err := config.Load(valid("JWT_SECRET="+hex, "ADMIN_EMAIL=a@b.example", "ADMIN_PASSWORD="+password), config.NeedServe)
		if err != nil {
			t.Fatalf("%s, %s: %v", hex, password, err)
		}
	}
}

func TestLoad_ProductionRefusesSecretsOfTheExamples(t *testing.T) {
	t.Parallel()
	patterns := map[string]*regexp.Regexp{ // of settings, and of constants such as the passwords that evently dev prints
		"JWT_SECRET":     regexp.MustCompile(`(?:JWT_SECRET[=:] *["']?|jwtSecret += ")([^\s"'` + "`" + `$|,]+)`),
		"ADMIN_PASSWORD": regexp.MustCompile(`(?:ADMIN_PASSWORD[=:] *["']?|(?:[aA]dmin|[dD]emo)Password += ")([^\s"'` + "`" + `$|,]+)`),
	}
	read := []string{".go", ".md", ".yml", ".yaml", ".example", ".service"}
	found := map[string]int{}
	tree := os.DirFS("../..")
	err := fs.WalkDir(tree, ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || file == "internal/config"):
			return fs.SkipDir
		case entry.IsDir() || !slices.Contains(read, path.Ext(file)):
			return nil
		}
		text, err := fs.ReadFile(tree, file)
		for name, pattern := range patterns {
			for _, match := range pattern.FindAllStringSubmatch(string(text), -1) {
				found[name]++
				_, err := config.Load(valid("ADMIN_EMAIL=a@b.example", "ADMIN_PASSWORD="+storePassword, name+"="+match[1]), config.NeedServe)
				if err == nil || !strings.Contains(err.Error(), name+": ") {
					t.Errorf("%s: production accepts %s=%s", file, name, match[1])
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found["JWT_SECRET"] < 2 || found["ADMIN_PASSWORD"] < 5 {
		t.Errorf("only %v examples were found", found)
	}
}

func randomOf(alphabet string, length int) string {
	text := make([]byte, length)
	for i := range text {
		text[i] = alphabet[rand.IntN(len(alphabet))]
	}
	return string(text)
}
