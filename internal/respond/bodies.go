package respond

// Bounds of request bodies, in bytes.
const (
	MaxBody     = 64 << 10
	MaxAuthBody = 8 << 10 // of the routes with a password, which anybody may call
)
