const a = <Shop name="x" open size={2} />;
