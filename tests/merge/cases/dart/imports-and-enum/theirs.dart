import 'a.dart';
import 'c.dart';

enum Shop {
  open,
  sold,
}
