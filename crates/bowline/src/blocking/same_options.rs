//! How a blocking builder gets the options of the async one that it wraps. Knows none of them.

/// Options that are passed on to `self.inner`; the doc comment of each says where it is explained.
macro_rules! same_options {
    ($($(#[$doc:meta])* $name:ident($($value:ident: $kind:ty),*);)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, $($value: $kind),*) -> Self {
            self.inner = self.inner.$name($($value),*);
            self
        }
    )*};
}

pub(super) use same_options;
