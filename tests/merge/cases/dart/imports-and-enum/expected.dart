import 'a.dart';
import 'b.dart';
import 'c.dart';

enum Shop {
  open,
  closed,
  sold,
}
